"""What stays on this machine: private names, secrets in contents, floods of new files, and what the user allows."""
