"""The `bough` command: words, colours and exit codes."""
