all: a b c d
	echo all
