run 'opens' '
	first a &&
	second c
'
