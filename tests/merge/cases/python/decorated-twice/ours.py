@app.get("/a")
def n():
    return 3


def one():
    return 1


def two():
    return 2
