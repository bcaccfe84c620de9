class Shop {
    void sell() {
    }
}
