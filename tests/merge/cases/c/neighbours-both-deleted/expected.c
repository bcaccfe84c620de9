void run(void)
{
	first();
<<<<<<< ours
	third();
||||||| base
	second();
	third();
=======
	second();
>>>>>>> theirs
}
