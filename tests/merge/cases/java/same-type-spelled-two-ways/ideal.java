class Shop {
    void open(String[] names) {
        java.lang.String first = names[0];
        log(first);
    }
}
