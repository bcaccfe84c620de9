class Shop {
public:
  int a;
<<<<<<< ours
private:
  int b;
||||||| base
=======
  int c;
>>>>>>> theirs
};
