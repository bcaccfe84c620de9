all: a b c
	echo all
