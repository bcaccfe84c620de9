class Shop {
    val a = 1
}
