import {
  a,
  b,
  c,
  d,
} from './shop';

d();
a(b, c);
