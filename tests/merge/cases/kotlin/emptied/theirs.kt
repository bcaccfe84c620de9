class A {
    fun a() = 1
}
