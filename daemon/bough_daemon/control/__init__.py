"""The daemon, and the service that answers its user's requests."""
