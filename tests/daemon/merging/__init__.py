"""The merge workers."""
