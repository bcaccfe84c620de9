"""bough team"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import MemberRecord
from bough_daemon.system.text import ago

from bough_cli import output
from bough_cli.connection import connect, here


def team(
    everyone: Annotated[bool, typer.Option("--all", help="Include members who were removed or have left.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per member.")] = False,
) -> None:
    """List the members, their fingerprints and who invited them."""
    with connect() as daemon:
        members = daemon.team(here()).members
    for member in members:
        if member.removed_by and not everyone:
            continue
        if json:
            output.as_json(member)
        else:
            output.data(_line(member))


def _line(member: MemberRecord) -> str:
    presence = "●" if member.connected and not member.removed_by else "○"
    came = f"invited by {member.admitted_by}" if member.admitted_by else "founder"
    name = output.bold(member.name) if not member.removed_by else member.name
    return f"{presence} {name}  {member.fingerprint}  {came} {ago(member.since)}, {_lately(member)}"


def _lately(member: MemberRecord) -> str:
    if member.removed_by == member.name:
        return f"left {ago(member.removed_at)}"
    if member.removed_by:
        return f"removed by {member.removed_by} {ago(member.removed_at)}"
    if member.is_me:
        return "you"
    if member.connected:
        return "connected"
    return f"last seen {ago(member.seen_at)}" if member.seen_at else "not seen yet"
