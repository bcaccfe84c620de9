class Shop {
    private void sell() {
    }
}
