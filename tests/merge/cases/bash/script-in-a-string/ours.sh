run 'opens' '
	one a &&
	second b
'
