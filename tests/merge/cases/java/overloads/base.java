class Shop {
    void sell(int a) {
    }
}
