def run():
    start()
