run 'opens' '
	one a &&
	second c
'
