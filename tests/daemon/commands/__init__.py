"""Hop, back, off, merge, land, restore, undo."""
