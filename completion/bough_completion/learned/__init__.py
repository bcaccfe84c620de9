"""The engine that needs no model: it continues a line as the repository continued lines like it."""
