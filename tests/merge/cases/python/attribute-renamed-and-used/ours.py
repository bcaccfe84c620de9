class Shop:
    def __init__(self):
        self.room = 1

    def grow(self):
        self.room += 1
