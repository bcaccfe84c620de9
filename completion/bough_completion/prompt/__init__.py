"""What a model gets to read, and who can write."""
