class Shop {
    void open(String[] names) {
        String first = names[0];
        log(first);
    }
}
