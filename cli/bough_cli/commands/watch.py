"""bough watch"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def watch(json: Annotated[bool, typer.Option("--json", help="Print one JSON object an event.")] = False) -> None:
    """Show what happens in the team, as it happens, until you press Ctrl-C."""
    with connect() as daemon:
        for event in daemon.watch(here()):
            if json:
                output.as_json(event)
            else:
                tip = f" at {output.short(event.tip)}" if event.tip else ""
                output.data(f"{output.bold(event.member)} {event.event}{tip}")
