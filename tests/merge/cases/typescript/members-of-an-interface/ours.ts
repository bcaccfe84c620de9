interface Shop {
  name: string;
  open: boolean;
}
