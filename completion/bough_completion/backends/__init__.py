"""The models that may write: one on this machine, one on another."""
