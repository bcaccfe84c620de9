"""Merge whole trees: renamed and moved files, and what one file's change means for another."""
