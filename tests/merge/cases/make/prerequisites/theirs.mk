all: a b d
	echo all
