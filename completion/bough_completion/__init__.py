"""Completion: text in, text out."""
