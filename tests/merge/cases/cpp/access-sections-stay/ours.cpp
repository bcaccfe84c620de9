class Shop {
public:
  int a;
private:
  int b;
};
