"""bough vouch"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import MemberRecord
from bough_daemon.errors import UnknownMember
from bough_daemon.system.text import printable

from bough_cli import output
from bough_cli.connection import connect, here


def vouch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name under which they joined with the new key.")],
    lost: Annotated[str, typer.Option("--as", metavar="MEMBER", help="Who they are: the name with the lost key.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Confirm the new key of a member who lost theirs.

    They join again under another name, for example `bough join TICKET --as alice-2`. Once two other people in the team
    have vouched for them, they have their name again, and the lost key is refused everywhere.
    """
    with connect() as daemon:
        output.agree(_question(name, lost, daemon.team(here()).members), yes, f"vouching for {name}")
        vouched = daemon.vouch(here(), name, lost)
    if json:
        output.as_json(vouched)
        return
    if vouched.done:
        output.data(f"{name} is {lost} now: {output.named(vouched.by)} vouched for the new key")
        output.talk(f"{lost}'s old key is refused from now on. What it signed stays in everyone's history.")
    else:
        output.data(f"You vouched that {name} is {lost}")
        output.talk("It counts once another person in the team has done so, too.")


def _question(name: str, lost: str, members: list[MemberRecord]) -> str:
    """Return the question, with the fingerprint to compare."""
    known = next((one for one in members if one.name == name and not one.removed_by), None)
    if known is None:
        hint = "Run `bough team` to see the members."
        raise UnknownMember(f"the team has no member named {printable(name)}", name=name, hint=hint)
    return (
        f"{name} has the key {known.fingerprint}\n"
        f"Compare it with what `bough key show` prints for {printable(lost)}, in person or by phone.\n"
        f"With the second vouch it replaces {printable(lost)}'s key, which is then refused. Vouch for it?"
    )
