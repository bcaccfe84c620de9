"""Everyone's questions about every repository, scheduled and judged."""
