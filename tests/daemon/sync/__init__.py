"""How states and packs travel."""
