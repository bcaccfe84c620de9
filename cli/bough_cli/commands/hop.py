"""bough hop, back, off"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli.acting import act

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def hop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose branch to be in.")], json: Json = False
) -> None:
    """Be in a teammate's branch: your files become theirs, and `bough back` brings yours back."""
    if name == "-":
        raise BadUsage("`-` is nobody's branch", hint="Use `bough back` to return to your own.")
    act("hop", {"name": name}, json=json)


def back(json: Json = False) -> None:
    """Put everything back as it was before the hop."""
    act("back", json=json)


def off(
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="The name of the new Git branch.")], json: Json = False
) -> None:
    """Create a Git branch from the current state."""
    act("off", {"branch": branch}, json=json)
