#include <stdio.h>

int open_shop(void);
