"""Remove contents from every snapshot of a store."""
