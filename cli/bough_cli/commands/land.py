"""bough land"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli.acting import act

Message = Annotated[
    list[str] | None, typer.Option("-m", "--message", metavar="MESSAGE", help="Commit message; again for a paragraph.")
]


def land(
    message: Message = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would land and change nothing.")] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Skip the pre-commit, commit-msg and pre-push hooks.")
    ] = False,
    switch: Annotated[
        bool | None, typer.Option("--switch/--no-switch", help="Go to the shared branch afterwards; asked otherwise.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also remove what you never touched, and run hooks that others changed.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put your work on the shared branch: merge, commit, publish, in one step."""
    if not message and not dry_run and not switch:
        raise BadUsage("a landed commit needs a message", hint="Give it with `-m MESSAGE`.")
    asked = "ask" if switch is None and sys.stdin.isatty() and sys.stderr.isatty() else ""
    options = {
        "message": "\n\n".join(message or []),
        "dry-run": "yes" if dry_run else "",
        "no-verify": "yes" if no_verify else "",
        "yes": "yes" if yes else "",
        "switch": "yes" if switch else asked,
    }
    act("land", {name: value for name, value in options.items() if value}, json=json)
