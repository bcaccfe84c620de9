interface Shop {
  name: string;
}
