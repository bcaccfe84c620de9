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
    name: Annotated[str, typer.Argument(metavar="NAME", help="The teammate whose branch to switch to.")],
    json: Json = False,
) -> None:
    """Switch your files to a teammate's branch.

    `bough back` returns to yours.
    """
    if name == "-":
        raise BadUsage("`-` does not name a branch", hint="Use `bough back` to return to your own.")
    with acting("hop") as (daemon, terminal):
        moved = daemon.hop(here(), terminal, name)
    tell(moved, outcomes.hopped(moved), json=json)


def back(json: Json = False) -> None:
    """Return to your own branch, as it was before the hop."""
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
