import {
  a,
  b,
  c,
} from './shop';

a(b, c);
