<<<<<<< ours
@app.get("/a")
def n():
    return 3
||||||| base
=======
@app.get("/b")
def n():
    return 4
>>>>>>> theirs


def one():
    return 1


def two():
    return 2
