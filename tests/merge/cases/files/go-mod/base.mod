module shop

require (
	a v1
)
