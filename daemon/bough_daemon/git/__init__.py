"""Stock Git: its commands, its formats, and the user's own repository, which nothing here writes by itself."""
