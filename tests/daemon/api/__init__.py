"""Records, wire, settings."""
