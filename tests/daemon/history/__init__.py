"""Branches and what they contain."""
