def run():
    start()
<<<<<<< ours
    warm()
||||||| base
=======
    load()
>>>>>>> theirs
