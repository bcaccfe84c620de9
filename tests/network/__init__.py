"""Real daemons on networks of their own; skipped where this system allows none."""
