fun kept(items: List<Int>): List<Int> {
    val found = mutableListOf<Int>()
    items.forEach { found.add(it) }
    return found
}
