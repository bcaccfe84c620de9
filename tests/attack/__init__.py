"""What a hostile member of the team tries, over the real protocol."""
