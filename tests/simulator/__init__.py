"""The team protocol in simulated teams: see `tests.simulator.__main__`."""
