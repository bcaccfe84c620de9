class Shop {
    void sell(int a) {
    }

    void sell(Item a) {
    }
}
