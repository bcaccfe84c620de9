void run(void)
{
	first();
	second();
}
