class Shop {
    val a = 1

    fun open() = true
}
