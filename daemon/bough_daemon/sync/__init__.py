"""How states and packs travel between daemons."""
