class Shop {
    @Override
    int price() { return 1; }
}
