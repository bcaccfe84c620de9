def run(path):
    text = read(path, "latin-1")
    print(text)
