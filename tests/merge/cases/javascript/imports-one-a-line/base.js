import {a, b} from './shop';

a(b);
