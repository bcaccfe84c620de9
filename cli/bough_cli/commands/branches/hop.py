"""bough hop, back, off"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import here

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def hop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose branch to be in.")], json: Json = False
) -> None:
    """Be in a teammate's branch: your files become theirs, and `bough back` brings yours back."""
    if name == "-":
        raise BadUsage("`-` is nobody's branch", hint="Use `bough back` to return to your own.")
    with acting("hop") as (daemon, terminal):
        moved = daemon.hop(here(), terminal, name)
    tell(moved, outcomes.hopped(moved), json=json)


def back(json: Json = False) -> None:
    """Put everything back as it was before the hop."""
    with acting("back") as (daemon, terminal):
        moved = daemon.back(here(), terminal)
    tell(moved, outcomes.returned(moved), json=json)


def off(
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="The name of the new Git branch.")], json: Json = False
) -> None:
    """Create a Git branch from the current state."""
    with acting("off") as (daemon, terminal):
        moved = daemon.off(here(), terminal, branch)
    tell(moved, outcomes.branched_off(moved), json=json)
