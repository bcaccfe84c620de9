"""Contents that go out of a store."""
