class A {
    fun a() = 1
    fun b() = 2
}
