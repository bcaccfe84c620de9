enum color {
	BLACK = 3,
	RED = 1,
	GREEN = 2,
};
