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
    name: Annotated[str, typer.Argument(metavar="NAME", help="A member, as listed by `bough team`.")],
    with_invited: Annotated[
        bool, typer.Option("--with-invited", help="Also remove the members they invited, and so on.")
    ] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Readmit the members they removed.")] = False,
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
    kept = f"their copies of the branches {output.few(removed.copies)}" if removed.copies else "what they already have"
    output.talk(f"Each teammate's daemon refuses them as soon as it learns of this. They keep {kept}.")


def _check(name: str, members: list[MemberRecord]) -> None:
    known = next((one for one in members if one.name == name), None)
    if known is None:
        hint = "Run `bough team` to see the members."
        raise UnknownMember(f"the team has no member named {printable(name)}", name=name, hint=hint)
    if known.is_me:
        raise OwnBranch("you cannot remove yourself", hint="Use `bough leave` to leave the team.")


def _question(name: str, members: list[MemberRecord], *, with_invited: bool, restore: bool) -> str:
    """Return the question, naming the consequences for other members."""
    lines = [f"{name} can no longer receive anything from the team or send to it. They keep what they already have."]
    invited = [one.name for one in members if one.admitted_by == name and not one.removed_by]
    own = [one for one in invited if one.startswith(f"{name}+")]
    others = [one for one in invited if one not in own]
    removed = [one.name for one in members if one.removed_by == name and one.name != name]
    if own:
        lines.append(f"Their other clones are removed too: {output.few(own)}.")
    if others and with_invited:
        lines.append(f"The members they invited are removed too: {output.few(others)}, and everyone they invited.")
    elif others:
        lines.append(f"The members they invited stay: {output.few(others)} (`--with-invited` removes them too).")
    if removed and restore:
        lines.append(f"The members they removed are readmitted: {output.few(removed)}.")
    elif removed:
        lines.append(f"The members they removed stay removed: {output.few(removed)} (`--restore` readmits them).")
    lines.append(f"Their name and key cannot join again. Remove {name} from the team?")
    return "\n".join(lines)
