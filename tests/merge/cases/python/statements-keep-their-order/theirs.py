def run():
    start()
    load()
