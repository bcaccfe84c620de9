"""Bough's wire: the .proto files and the code made from them."""
