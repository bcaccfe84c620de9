"""bough purge"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from bough_daemon.api.records import PurgeEntry, PurgeOrder, PurgeTold
from bough_daemon.errors import BadUsage
from bough_daemon.system.text import ago
from msgspec.structs import replace

from bough_cli import output
from bough_cli.connection import connect, here


def purge(
    what: Annotated[
        str, typer.Argument(metavar="[PATH|TEXT|-]", help="A file, a folder, or a text; `-` reads a text from stdin.")
    ] = "",
    text: Annotated[bool, typer.Option("--text", help="Treat it as a text, even if a file has that name.")] = False,
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="Only versions that are in none of your commits.")
    ] = False,
    accept: Annotated[str, typer.Option("--accept", metavar="NAME", help="Purge what this teammate asks for.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List what was purged, and who has purged it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be purged and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object; with --list, one per purge.")] = False,
) -> None:
    """Remove a secret from every snapshot, here and in the team.

    For a file, every version of it is removed; for a text, every file version that contains it. A snapshot then has
    that file as in the commit that it is based on, or not at all. Your files and your own Git history are unchanged.

    Teammates' daemons do the same for what came from your branch, at once or when they next connect; teammates have to
    accept it for what they recorded themselves. They are sent object ids, never the text.
    """
    if listed:
        _list(json=json)
        return
    if bool(what) == bool(accept):
        raise BadUsage("name a file, a folder or a text to purge", hint="`bough purge -` reads a text from stdin.")
    order = PurgeOrder(here(), what, text, uncommitted, dry_run=True, accept=accept)
    if what == "-":
        order = replace(order, what=_text_from_stdin(), text=True)
    with connect() as daemon:
        told = daemon.purge(order)
        if not dry_run:
            output.agree(_question(told), yes, "purging")
            told = daemon.purge(replace(order, dry_run=False))
    if json:
        output.as_json(told)
    else:
        _show(told)


def _text_from_stdin() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Text to purge", hide_input=True, err=True))
    return sys.stdin.read().removesuffix("\n")


def _sum(told: PurgeTold) -> str:
    snapshots = output.count(told.snapshots, "snapshot")
    contents = output.count(told.contents, "content")
    return f"{contents} ({told.size:,} bytes) in {snapshots}: {output.few(told.paths)}"


def _notes(told: PurgeTold) -> list[str]:
    """Return what the user should know before they agree."""
    lines = list[str]()
    if told.files:
        lines.append(f"Left on disk, but no longer shared: {output.few(told.files)}.")
    if told.commands:
        lines.append(f"{output.count(told.commands, 'command')} can no longer be undone.")
    if told.teammates:
        lines.append(f"{output.named(told.teammates)} also has it; until they purge it, that branch is hidden here.")
    if told.left_in_git:
        lines.append(
            "Your own repository still has it, unreachable: "
            "`git reflog expire --expire=now --all && git gc --prune=now` deletes it."
        )
    return lines


def _question(told: PurgeTold) -> str:
    return "\n".join([_sum(told), *_notes(told), "This cannot be undone. Purge it?"])


def _show(told: PurgeTold) -> None:
    if not told.done:
        output.data(f"Would purge {_sum(told)}")
    else:
        output.data(f"Purged {_sum(told)}")
    for note in _notes(told):
        output.talk(note)
    if told.done:
        output.talk(
            "Anyone may have copied it: change the password or key. `bough purge --list` shows who has purged it."
        )


def _list(*, json: bool) -> None:
    with connect() as daemon:
        purges = daemon.purges(here()).purges
    for one in purges:
        if json:
            output.as_json(one)
            continue
        output.data(
            f"{output.bold(one.by)} asked to purge {output.count(one.contents, 'content')} {ago(one.at)}{_at(one)}"
        )
        for reply in one.replies:
            output.data(f"  {'●' if reply.done else '○'} {reply.member}  {reply.outcome}")
    if not purges and not json:
        output.talk("Nothing was purged")


def _at(one: PurgeEntry) -> str:
    return f": {output.few(one.paths)}" if one.paths else ""
