int a(void)
{
	return 3;
}

int b(void)
{
	return 2;
}
