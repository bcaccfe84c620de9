class Shop:
    def __init__(self):
        self.size = 1

    def grow(self):
        self.size += 1
