#include <stdio.h>
#include <stdlib.h>

int open_shop(void);
int close_shop(void);
