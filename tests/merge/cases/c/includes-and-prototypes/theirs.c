#include <stdio.h>
#include <string.h>

int open_shop(void);
int sell(int item);
