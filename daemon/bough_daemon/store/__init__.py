"""Bough's own bare repository, and the packs that it sends and receives."""
