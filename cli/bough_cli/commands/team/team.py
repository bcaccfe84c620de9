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
    verify: Annotated[
        str, typer.Option(metavar="FINGERPRINT", help="Say whose fingerprint this is, as they read it to you.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per member.")] = False,
) -> None:
    """List the members, their fingerprints and who invited them."""
    with connect() as daemon:
        members = daemon.team(here(), verify).members
    if verify and not json:
        output.data(_verified(members[0]))
        return
    shown = [one for one in members if not one.removed_by or everyone or verify]
    people = [one.name for one in shown]
    if json:
        for member in shown:
            output.as_json(member)
        return
    shown.sort(key=lambda one: people.index(one.person if one.person in people else one.name))
    for member in shown:
        output.data(_lines(member, "  " if member.person != member.name and member.person in people else ""))


def _verified(member: MemberRecord) -> str:
    if member.is_me:
        return f"This is your own fingerprint: you are {member.name}"
    gone = f", who is no longer in the team: {_lately(member)}" if member.removed_by else ""
    return f"This is the fingerprint of {output.bold(member.name)}{gone}"


def _lines(member: MemberRecord, indent: str) -> str:
    """Return who a member is and, on a second line, who invited them and how they are reached."""
    presence = "●" if member.connected and not member.removed_by else "○"
    came = f"invited by {member.admitted_by}" if member.admitted_by else "founder"
    name = output.bold(member.name) if not member.removed_by else member.name
    name += f" (was {', '.join(member.formerly)})" if member.formerly else ""
    about = [f"{came} {ago(member.since)}", _lately(member)]
    about += ["hub, keeps every branch"] if member.hub else []
    about += [f"Bough {member.version}"] if member.version else []
    about += [" ".join(member.addresses)] if member.addresses and not member.is_me else []
    return f"{indent}{presence} {name}  {member.fingerprint}\n{indent}  {', '.join(about)}"


def _lately(member: MemberRecord) -> str:
    if member.removed_by == member.name:
        return f"left {ago(member.removed_at)}"
    if member.removed_by:
        return f"removed by {member.removed_by} {ago(member.removed_at)}"
    if member.is_me:
        return "you"
    if member.connected:
        return "connected"
    if member.through:
        return f"reached through {output.few(member.through)}"
    return f"last seen {ago(member.seen_at)}" if member.seen_at else "not seen yet"
