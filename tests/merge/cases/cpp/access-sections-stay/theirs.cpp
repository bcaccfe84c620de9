class Shop {
public:
  int a;
  int c;
};
