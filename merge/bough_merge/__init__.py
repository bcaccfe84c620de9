"""Three-way merge by meaning: bytes in, result out."""
