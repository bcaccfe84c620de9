def run():
    start()
    warm()
