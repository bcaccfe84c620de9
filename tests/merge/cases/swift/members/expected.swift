class Shop {
    var a = 1

    func open() {}

    func close() {}
}
