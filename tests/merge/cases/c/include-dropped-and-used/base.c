#include <stdio.h>
#include <string.h>

int size(const char *a)
{
	return strlen(a);
}

int other(void)
{
	return 1;
}
