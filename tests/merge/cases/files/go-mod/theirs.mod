module shop

require (
	a v1
	c v1
)
