interface Shop {
  name: string;
  sell(item: Item): void;
}
