fun kept(items: List<Int>): List<Int> {
    val found = mutableListOf<Int>()
    items.forEach { found.add(it) }
    log(found)
    return found
}
