"""bough find"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage, NothingFound
from bough_daemon.git.store_reading import FoundText, find_text
from bough_daemon.system.text import ago, printable, shell_word

from bough_cli import output
from bough_cli.branch_names import branch_and_paths
from bough_cli.connection import connect, here


def find(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A part of a line, as it is written.")],
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Look only below these.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per path.")] = False,
) -> None:
    """Find where a text last was, on anybody's branch.

    Looks through every snapshot; `git log -S TEXT` looks through your commits.
    """
    if not text.strip():
        raise BadUsage("the text is empty")
    with connect() as daemon:
        daemon.save(here(), [], False, 0.0)
        mine = daemon.status(here()).branch
        _, only = branch_and_paths(daemon, "", paths or [])
    found = find_text(here(), text, only)
    for one in found:
        if json:
            output.as_json(one)
        else:
            _show(one, mine)
    if not found:
        raise NothingFound(f"no snapshot added or removed {printable(text)!r}")


def _show(one: FoundText, mine: str) -> None:
    output.data(f"{output.bold(printable(one.path))}:{one.line}: {printable(one.text.strip())}")
    where = " and ".join(one.branches[:3]) or "a snapshot"
    if one.is_there:
        output.data(f"  on {where} since {output.short(one.snapshot)}, {ago(one.time)}")
        return
    of = f" --name {one.branches[0]}" if one.branches and mine not in one.branches else ""
    command = f"bough restore {shell_word(one.path)} --from {output.short(one.snapshot)}{of}"
    output.data(f"  last on {where} at {output.short(one.snapshot)}, {ago(one.time)}; `{command}` restores the file")
