interface Shop {
  name: string;
  open: boolean;
  sell(item: Item): void;
}
