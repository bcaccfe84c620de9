public class A {
    void register() {
        tables.add(one);

        int size = 1;

        tables.add(two);
    }
}
