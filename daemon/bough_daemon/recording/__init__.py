"""From file events to snapshots."""
