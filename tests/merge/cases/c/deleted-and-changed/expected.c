<<<<<<< ours
||||||| base
int a(void)
{
	return 1;
}
=======
int a(void)
{
	return 3;
}
>>>>>>> theirs

int b(void)
{
	return 2;
}
