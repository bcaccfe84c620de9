int one()
{
    return 1;
}

template <class T>
T big(T x)
{
    return x;
}

int two()
{
    return 2;
}
