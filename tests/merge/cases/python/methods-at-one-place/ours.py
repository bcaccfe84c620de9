class Shop:
    def open(self):
        return True

    def close(self):
        return False
