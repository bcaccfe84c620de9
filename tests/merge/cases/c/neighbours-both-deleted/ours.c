void run(void)
{
	first();
	third();
}
