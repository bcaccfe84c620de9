class Shop {
    val a = 1

    fun close() = false
}
