using System;
using System.IO;
using System.Linq;

class Shop
{
    int a;
    int b;
    int c;
}
