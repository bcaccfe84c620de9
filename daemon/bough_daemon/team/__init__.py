"""Who is in a team, and what each member has signed."""
