"""What is recorded, and what comes back from it."""
