class Shop {
    var a = 1
}
