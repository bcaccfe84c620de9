open() {
  echo open
}

close() {
  echo close
}

sell() {
  echo sell
}
