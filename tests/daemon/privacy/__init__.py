"""What stays at home."""
