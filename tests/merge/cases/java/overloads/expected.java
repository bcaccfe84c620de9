class Shop {
    void sell(int a) {
    }

    void sell(String a) {
    }

    void sell(Item a) {
    }
}
