"""Merging for stock Git, completion and its models, settings, and diagnosis."""
