"""bough join"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from bough_daemon.system.text import printable

from bough_cli import output
from bough_cli.connection import connect, here


def join(
    ticket: Annotated[
        str, typer.Argument(metavar="TICKET", help="What `bough invite` printed; `-` reads it from stdin.")
    ],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Your name in the team (default: from Git).")] = "",
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Where to listen (127.0.0.1: this machine only; default: every address)."
        ),
    ] = "",
    advertise: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Also tell teammates this address (port forward, container, VPN)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Join a team with a ticket, or reconnect with its maker."""
    given = sys.stdin.read().strip() if ticket == "-" else ticket
    with connect(start=True) as daemon:
        joined = daemon.join(here(), given, name, listen, advertise or ())
    if json:
        output.as_json(joined)
        return
    if joined.opened:
        output.talk(f"Listening on {' and '.join(joined.opened)}; `bough config set team.listen 127.0.0.1` closes it.")
    if joined.met and joined.connected:
        output.data(f"You are already in this team; reconnected with {joined.met}")
        return
    if joined.met:
        output.data(f"You are already in this team; {joined.met}'s current addresses are known now")
        output.talk("No connection yet: both machines keep trying, and `bough status` shows when they are connected.")
        return
    output.data(f"You are {output.bold(joined.member)}, live with {output.named(joined.teammates)}")
    if joined.other:
        output.talk(
            f"Your clone {printable(joined.other)} is already in the team; this one joined as a separate member."
        )
