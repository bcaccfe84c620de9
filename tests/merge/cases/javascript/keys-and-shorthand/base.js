const a = {
  one: 1,
};
