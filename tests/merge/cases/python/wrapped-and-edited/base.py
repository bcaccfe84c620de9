def run(path):
    text = read(path, "utf-8")
    print(text)
