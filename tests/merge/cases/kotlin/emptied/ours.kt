class A {
    fun b() = 2
}
