"""Turn file events into snapshots."""
