class Shop {
<<<<<<< ours
    public void sell() {
||||||| base
    void sell() {
=======
    private void sell() {
>>>>>>> theirs
    }
}
