"""The engine without a model: it continues a line as the repository continued similar lines."""
