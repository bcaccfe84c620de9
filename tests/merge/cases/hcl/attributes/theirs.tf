resource "a" "b" {
  x = 1
  z = 3
}
