def one():
    return 1


def two():
    return 2


@app.get("/b")
def n():
    return 4
