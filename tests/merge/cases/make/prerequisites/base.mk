all: a b
	echo all
