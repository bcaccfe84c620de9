def run(path):
    if path:
        text = read(path, "latin-1")
    print(text)
