"""The daemon: watching, snapshots, branches, the team, and what a member does with them."""
