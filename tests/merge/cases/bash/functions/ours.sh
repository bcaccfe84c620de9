open() {
  echo open
}

close() {
  echo close
}
