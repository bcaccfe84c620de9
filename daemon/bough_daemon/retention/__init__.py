"""Which snapshots are kept as they grow old, and how the others leave the store."""
