"""Hop, back, off, merge, land, restore and undo."""
