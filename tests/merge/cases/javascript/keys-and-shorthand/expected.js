const a = {
  one: 1,
<<<<<<< ours
  two,
||||||| base
=======
  two: 2,
>>>>>>> theirs
};
