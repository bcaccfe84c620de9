import {a, b, d} from './shop';

d();
a(b);
