"""The commands for comments on code."""
