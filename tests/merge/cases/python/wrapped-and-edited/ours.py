def run(path):
    if path:
        text = read(path, "utf-8")
    print(text)
