"""The daemon, and what its user may ask of it."""
