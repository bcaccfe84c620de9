"""bough stay"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli import outcomes
from bough_cli.acting import check_outside, tell
from bough_cli.connection import connect, here


def stay(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A teammate or a Git branch (default: list them).")
    ] = "",
    stop: Annotated[bool, typer.Option("--stop", help="Stop it for NAME, or for all branches.")] = False,
    solid: Annotated[bool, typer.Option("--solid", help="Take only what they marked with `bough solid`.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Keep merging a branch into your files while it is clean.

    A state of the branch comes in as a whole or, where it conflicts with yours, not at all: `bough status` then says
    in which files, and `bough merge NAME` resolves it.
    """
    check_outside("stay")
    if solid and (stop or not name):
        raise BadUsage("`--solid` needs the name of a teammate to stay on")
    with connect() as daemon:
        stayed = daemon.stay(here(), name, stop=stop, solid=solid)
    tell(stayed, outcomes.stayed(stayed, stop=stop), json=json)
