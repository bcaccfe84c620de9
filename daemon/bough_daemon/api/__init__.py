"""What the command line and editors see: records, the client, settings."""
