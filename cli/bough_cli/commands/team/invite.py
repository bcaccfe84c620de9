"""bough invite"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def invite(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen (default: every address of this machine).")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Create a ticket that lets one person join within 24 hours."""
    with connect() as daemon:
        made = daemon.invite(here(), listen)
    if json:
        output.as_json(made)
        return
    if made.opened:
        output.talk(f"Listening on {' and '.join(made.opened)}.")
    output.talk("Give this ticket to one person, on a private channel; `bough join TICKET` uses it up:")
    output.data(made.ticket)
