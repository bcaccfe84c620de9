"""bough invite"""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer
from bough_daemon.errors import BadUsage
from bough_daemon.system.text import in_words, printable

from bough_cli import output
from bough_cli.connection import connect, here

SECONDS = {"m": 60, "h": 3600, "d": 86400}
PERIOD = re.compile(r"([0-9]{1,6})([mhd])")


def invite(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen (default: every address of this machine).")
    ] = "",
    advertise: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Also tell teammates this address (port forward, container, VPN)."),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="PERIOD", help="How long the ticket is valid, such as 30m, 2h or 7d.")
    ] = "24h",
    uses: Annotated[int, typer.Option(metavar="N", min=1, help="How many people may join with it.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Create a ticket that lets one person, or N, join."""
    seconds = _seconds(expires)
    with connect() as daemon:
        made = daemon.invite(here(), listen, seconds, uses, advertise or ())
    if json:
        output.as_json(made)
        return
    if made.opened:
        output.talk(f"Listening on {' and '.join(made.opened)}.")
    if uses == 1:
        output.talk("Give this ticket to one person, on a private channel; `bough join TICKET` uses it up:")
    else:
        output.talk(f"Give this ticket to up to {uses} people, on a private channel; `bough join TICKET` uses it:")
    output.data(made.ticket)
    left = in_words(made.expires_at - time.time())
    output.talk(f"It is valid for {left}; `bough invites --revoke {made.id}` revokes it.")


def _seconds(period: str) -> float:
    """Return a period in seconds, or raise BadUsage."""
    form = PERIOD.fullmatch(period.strip().lower())
    if form is None:
        hint = "Write a number and m (minutes), h (hours) or d (days), such as 30m, 2h or 7d."
        raise BadUsage(f"invalid period {printable(period)!r}", hint=hint)
    return max(1.0, float(form[1]) * SECONDS[form[2]])
