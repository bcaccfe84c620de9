"""bough log"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.system.text import ago, printable

from bough_cli import output
from bough_cli.connection import connect, here


def log(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A live branch (default: yours).")] = "",
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="The maximum number of snapshots.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per snapshot.")] = False,
) -> None:
    """Show the timeline of a live branch, newest first."""
    with connect() as daemon:
        told = daemon.log(here(), name, limit)
    for entry in told.entries:
        if json:
            output.as_json(entry)
        else:
            event = "" if entry.event == "save" else f"{output.bold(entry.event)} "
            title = "" if entry.title == entry.event else printable(entry.title)
            output.data(f"{output.short(entry.tip)} {output.dim(f'{ago(entry.at):>16}')}  {event}{title}")
