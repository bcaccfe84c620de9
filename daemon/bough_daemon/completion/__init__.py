"""Feed the completion process, and pass questions to it."""
