using System;
using System.IO;

class Shop
{
    int a;
    int b;
}
