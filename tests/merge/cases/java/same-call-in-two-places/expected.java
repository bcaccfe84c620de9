public class A {
    void register() {
        tables.add(one);
<<<<<<< ours
        tables.add(three);

        int size = 1;

        tables.add(two);
||||||| base

        int size = 1;

        tables.add(two);
=======

        int size = 1;

        tables.add(two);
        tables.add(three);
>>>>>>> theirs
    }
}
