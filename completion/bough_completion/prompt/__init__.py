"""Prompts for models, and the interface of writers."""
