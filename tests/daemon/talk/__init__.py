"""Who is in a team, and what they signed."""
