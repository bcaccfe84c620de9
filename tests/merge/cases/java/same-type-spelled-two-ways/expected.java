class Shop {
    void open(String[] names) {
<<<<<<< ours
        String first = names[0];
||||||| base
=======
        java.lang.String first = names[0];
>>>>>>> theirs
        log(first);
    }
}
