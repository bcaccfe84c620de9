"""bough watch"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def watch(json: Annotated[bool, typer.Option("--json", help="Print one JSON object per event.")] = False) -> None:
    """Show who works where, live, until you press Ctrl-C.

    Without a terminal, print one line per event.
    """
    with connect() as daemon:
        if sys.stdout.isatty() and not json:
            from bough_cli.screen import show  # rich takes a while to import

            show(daemon, here())
        for event in daemon.watch(here()):
            if json:
                output.as_json(event)
            else:
                tip = f" at {output.short(event.tip)}" if event.tip else ""
                about = f" {event.about}" if event.about else ""
                output.data(f"{output.bold(event.member)} {event.event}{tip}{about}")
