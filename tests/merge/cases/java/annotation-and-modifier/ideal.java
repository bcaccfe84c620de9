class Shop {
    @Override
    public int price() { return 1; }
}
