fun kept(items: List<Int>): List<Int> {
    val chosen = mutableListOf<Int>()
    items.forEach { chosen.add(it) }
    log(chosen)
    return chosen
}
