"""Who is in the team."""
