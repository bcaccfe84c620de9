class Shop {
public:
  int a;
};
