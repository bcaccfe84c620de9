"""The feed of the completion process."""
