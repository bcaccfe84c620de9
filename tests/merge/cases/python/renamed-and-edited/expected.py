def g(a):
    b = a + 1
    c = b * 3
    return c
