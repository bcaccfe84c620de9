function sell(items) {
  for (const item of items) {
    if (item.known) {
      pay(item);
    } else {
      const price = ask(item);
      if (price) {
        pay(item, price);
      }
    }
  }
}
