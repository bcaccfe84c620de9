"""Merge entity by entity: match, decide, compose."""
