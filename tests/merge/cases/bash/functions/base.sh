open() {
  echo open
}
