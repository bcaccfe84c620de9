const a = {
  one: 1,
  two,
};
