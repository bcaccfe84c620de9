run 'opens' '
	first a &&
	second b
'
