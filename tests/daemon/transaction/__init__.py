"""Changes of the user's files."""
