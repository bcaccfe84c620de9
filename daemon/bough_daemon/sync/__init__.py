"""Transfer states and packs between daemons."""
