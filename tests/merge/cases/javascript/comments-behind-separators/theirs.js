const a = {
  a: 1, // first
  c: 3, // third
};
