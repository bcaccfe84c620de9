const a = {
  a: 1, // first
  b: 2, // second
  c: 3, // third
};
