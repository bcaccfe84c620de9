const a = {
  a: 1, // first
};
