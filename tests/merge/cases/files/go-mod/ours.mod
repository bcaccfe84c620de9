module shop

require (
	a v1
	b v1
)
