using System;
using System.Linq;

class Shop
{
    int a;
    int c;
}
