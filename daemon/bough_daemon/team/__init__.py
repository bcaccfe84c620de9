"""The members of a team, and what each of them has signed."""
