open() {
  echo open
}

sell() {
  echo sell
}
