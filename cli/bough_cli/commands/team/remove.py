"""bough remove"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import MemberRecord
from bough_daemon.errors import OwnBranch, UnknownMember
from bough_daemon.system.text import printable

from bough_cli import output
from bough_cli.connection import connect, here


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A member, as `bough team` names them.")],
    with_invited: Annotated[
        bool, typer.Option("--with-invited", help="Remove those whom they let in, too, and so on.")
    ] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Let those in again whom they removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove a member from the team, for everyone."""
    with connect() as daemon:
        members = daemon.team(here()).members
        _check(name, members)
        question = _question(name, members, with_invited=with_invited, restore=restore)
        output.agree(question, yes, f"removing {name} from the team")
        removed = daemon.remove(here(), name, with_invited=with_invited, restore=restore)
    if json:
        output.as_json(removed)
        return
    output.data(f"Removed {output.named(removed.removed)} from the team")
    output.talk("Every member refuses them from the moment that they hear of it. What they have already, they keep.")


def _check(name: str, members: list[MemberRecord]) -> None:
    known = next((one for one in members if one.name == name), None)
    if known is None:
        hint = "Run `bough team` to see who is in it."
        raise UnknownMember(f"the team has no member named {printable(name)}", name=name, hint=hint)
    if known.is_me:
        raise OwnBranch("that is you", hint="Use `bough leave` to leave the team.")


def _question(name: str, members: list[MemberRecord], *, with_invited: bool, restore: bool) -> str:
    """Return what to ask, with what the removal does to others."""
    lines = [f"{name} gets nothing from the team any more, and nothing of theirs is taken. What they have, they keep."]
    invited = [one.name for one in members if one.admitted_by == name and not one.removed_by]
    own = [one for one in invited if one.startswith(f"{name}+")]
    others = [one for one in invited if one not in own]
    removed = [one.name for one in members if one.removed_by == name and one.name != name]
    if own:
        lines.append(f"Their other clones go as well: {output.few(own)}.")
    if others and with_invited:
        lines.append(f"Whom they let in goes as well: {output.few(others)}, and whom these let in.")
    elif others:
        lines.append(f"Whom they let in stays: {output.few(others)} (`--with-invited` removes them as well).")
    if removed and restore:
        lines.append(f"Whom they removed is in the team again: {output.few(removed)}.")
    elif removed:
        lines.append(f"Whom they removed stays removed: {output.few(removed)} (`--restore` lets them in again).")
    lines.append(f"Their name and key are never let in again. Remove {name} from the team?")
    return "\n".join(lines)
