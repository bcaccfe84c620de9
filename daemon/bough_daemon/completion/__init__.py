"""Feed the completion process, and bring questions to it."""
