using System;

class Shop
{
    int a;
}
