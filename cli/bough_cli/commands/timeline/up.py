"""bough up"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def up(
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Your name in the team (default: from Git).")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make this repository live, so that every save is recorded."""
    with connect(start=True) as daemon:
        made = daemon.up(here(), name)
    if json:
        output.as_json(made)
        return
    verb = "is already live" if made.already else "is live"
    output.data(f"{made.repository} {verb}; you are {output.bold(made.member)}, your branch is {made.branch}")
