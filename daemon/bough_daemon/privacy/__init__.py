"""What stays on this machine: private names, secrets, floods of new files, a pause; and what the user allows."""
