public class A {
    void register() {
        tables.add(one);
        tables.add(three);

        int size = 1;

        tables.add(two);
    }
}
