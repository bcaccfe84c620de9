void run(void)
{
	first();
}
