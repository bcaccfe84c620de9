"""`python -m bough_cli` is the `bough` command."""

from bough_cli.main import main

main()
