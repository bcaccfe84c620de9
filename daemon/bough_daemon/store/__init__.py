"""Bough's own bare repository, and the packs that leave it and arrive in it."""
