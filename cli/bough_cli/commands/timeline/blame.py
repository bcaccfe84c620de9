"""bough blame"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.errors import BadUsage
from bough_daemon.git.store_reading import BlamedLine
from bough_daemon.git.store_reading import blame as blamed
from bough_daemon.system.text import ago, printable

from bough_cli import output
from bough_cli.branch_names import branch_and_paths
from bough_cli.connection import connect, here

LONGEST_AUTHOR = 24  # characters


def blame(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file, as you have it or as --on has it.")],
    on: Annotated[str, typer.Option("--on", metavar="NAME", help="As this live branch has it (default: yours).")] = "",
    lines: Annotated[
        list[str] | None, typer.Option("-L", "--lines", metavar="RANGE", help="Only these: 10,20 or :function.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show who wrote each line, down to the last save.

    A person, a guest in someone's branch, an agent, or a Git commit. Lines that have landed keep their author.
    """
    for typed in lines or []:
        if typed.startswith("-") or not typed:
            raise BadUsage(f"{printable(typed)!r} is not a range of lines", hint="Write it like 10,20 or :function.")
    with connect() as daemon:
        branch, path = _branch_and_path(daemon, on, file)
    found = blamed(here(), branch, path, lines or [])
    if json:
        for one in found:
            output.as_json(one)
        return
    width = max((len(who(one)) for one in found), default=0)
    for one in found:
        text = printable(one.text.rstrip("\r").expandtabs())
        written = f"{output.short(one.commit)} {who(one):{width}}  {ago(one.time):>14}"
        output.data(f"{written} {one.line:4}) {text}")


def _branch_and_path(daemon: Client, on: str, file: str) -> tuple[str, str]:
    """Return the live branch, saved now if it is the user's own, and the path from the top folder."""
    daemon.save(here(), [], False, 0.0)
    _, (path,) = branch_and_paths(daemon, "", [file])
    return on or daemon.status(here()).branch, path


def who(one: BlamedLine) -> str:
    """Return who wrote a line, in a few words."""
    if one.kind == "guest":
        return f"{one.branch} in {one.guest_of}'s branch"
    if one.kind == "agent":
        return f"{one.branch} (agent)"
    return one.branch or printable(one.author.partition(" <")[0])[:LONGEST_AUTHOR]
