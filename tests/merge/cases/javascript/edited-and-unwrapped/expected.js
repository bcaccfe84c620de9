function sell(items) {
  for (const item of items) {
    if (item.known) {
      pay(item);
      continue;
    }
    const price = ask(item);
    if (price) {
      pay(item, price);
    }
  }
}
