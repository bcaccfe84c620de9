class Shop {
    void open(String[] names) {
        log(names);
    }
}
