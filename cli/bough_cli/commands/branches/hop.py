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
    follow: Annotated[bool, typer.Option("--follow", help="Only receive their changes; yours stay here.")] = False,
    solid: Annotated[
        bool, typer.Option("--solid", help="With --follow: only what they marked with `bough solid`.")
    ] = False,
    at: Annotated[
        str, typer.Option("--at", metavar="MOMENT", help="Their files at a snapshot or time: 10m, 14:05, 9b2e41c.")
    ] = "",
    json: Json = False,
) -> None:
    """Work in a teammate's branch, together with them.

    From then on your saves go into their files and theirs into yours. `bough back` returns to your own branch.
    """
    if name == "-":
        raise BadUsage("`-` does not name a branch", hint="Use `bough back` to return to your own.")
    if follow and at:
        raise BadUsage("a moment of a branch cannot be followed: use either --follow or --at")
    if solid and not follow:
        raise BadUsage("solid states are followed: use `--solid` with `--follow`")
    with acting("hop") as (daemon, terminal):
        moved = daemon.hop(here(), terminal, name, follow=follow, solid=solid, at=at)
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
