"""bough invites"""

from __future__ import annotations

import time
from typing import Annotated

import typer
from bough_daemon.api.records import TicketRecord
from bough_daemon.system.text import ago, in_words

from bough_cli import output
from bough_cli.connection import connect, here


def invites(
    revoke: Annotated[str, typer.Option(metavar="ID", help="Revoke this ticket; who joined with it stays.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Include tickets that are used, expired or revoked.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per ticket.")] = False,
) -> None:
    """List the tickets you made and who joined with them."""
    with connect() as daemon:
        tickets = (daemon.revoke(here(), revoke) if revoke else daemon.tickets(here())).tickets
    if revoke and not json:
        output.data(f"Revoked ticket {next(one.id for one in tickets if one.id.startswith(revoke.lower()[:8]))}")
        return
    shown = [one for one in tickets if everything or one.state == "valid"]
    for ticket in shown:
        if json:
            output.as_json(ticket)
        else:
            output.data(_line(ticket))
    if not shown and not json:
        output.talk(
            "No ticket is valid; `bough invite` creates one." + (" `--all` lists the others." if tickets else "")
        )


def _line(ticket: TicketRecord) -> str:
    came = f", used by {', '.join(ticket.members)}" if ticket.members else ""
    return f"{output.bold(ticket.id)}  {_state(ticket)}, created {ago(ticket.made_at)}{came}"


def _state(ticket: TicketRecord) -> str:
    if ticket.state == "expired":
        return f"expired {ago(ticket.expires_at)}"
    if ticket.state != "valid":
        return ticket.state
    uses = "1 use" if ticket.left == 1 else f"{ticket.left} uses"
    return f"{uses} left, valid for {in_words(ticket.expires_at - time.time())}"
