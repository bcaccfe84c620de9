"""Take contents out of every snapshot of a store."""
