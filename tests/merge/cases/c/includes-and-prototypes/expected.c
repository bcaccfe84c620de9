#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int open_shop(void);
int close_shop(void);
int sell(int item);
