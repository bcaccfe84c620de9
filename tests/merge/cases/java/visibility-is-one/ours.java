class Shop {
    public void sell() {
    }
}
