"""Fold live branches into one another while people type: guests and their host, `hop --follow`, `stay`."""
