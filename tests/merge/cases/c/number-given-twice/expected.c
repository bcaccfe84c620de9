enum color {
<<<<<<< ours
	RED = 1,
	GREEN = 2,
	BLUE = 3,
||||||| base
	RED = 1,
	GREEN = 2,
=======
	BLACK = 3,
	RED = 1,
	GREEN = 2,
>>>>>>> theirs
};
