class Shop {
<<<<<<< ours
    @Override
    int price() { return 1; }
||||||| base
    int price() { return 1; }
=======
    public int price() { return 1; }
>>>>>>> theirs
}
