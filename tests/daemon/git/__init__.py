"""The room of stock Git."""
