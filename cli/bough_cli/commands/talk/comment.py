"""bough comment"""

from __future__ import annotations

import re
import sys
from typing import Annotated

import click
import typer
from bough_daemon.api.records import CommentOrder
from bough_daemon.errors import BadUsage

from bough_cli import output
from bough_cli.connection import connect, here

PLACE = re.compile(r"(?P<file>.+?):(?P<first>[1-9]\d{0,8})(?:-(?P<last>[1-9]\d{0,8}))?", re.DOTALL)
TEXT_HELP = "The text, in Markdown; `-` reads it from stdin. Left out: your editor."


def comment(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE[-LINE]", help="The lines to comment on.")],
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]", help=TEXT_HELP)] = None,
    on: Annotated[str, typer.Option("--on", metavar="NAME", help="Comment on this teammate's branch.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Comment on lines of a file, for the whole team.

    The comment is on the branch that your files show: yours, or the one you hopped to. It follows its code through
    edits, moves and renames. A fenced block ```suggestion proposes other lines; `bough comments apply ID` takes them.
    """
    found = PLACE.fullmatch(place)
    if found is None:
        raise BadUsage(f"{place} names no line of a file", hint="Name both, such as `stats.py:12` or `stats.py:12-15`.")
    first = int(found["first"])
    last = int(found["last"] or first)
    if last < first:
        raise BadUsage(f"line {last} comes before line {first}")
    with connect() as daemon:
        order = CommentOrder(here(), found["file"], first, last, written(text, place), on)
        made = daemon.comment(order)
    if json:
        output.as_json(made)
    else:
        lines = f"{made.first}-{made.last}" if made.last > made.first else f"{made.first}"
        output.data(f"Commented on {made.branch}'s branch, {made.file}:{lines}, as {made.id}")


def written(words: list[str] | None, about: str) -> str:
    """Return a text that was typed, read from stdin, or written in the user's editor."""
    if words == ["-"]:
        return sys.stdin.read()
    if words:
        return " ".join(words)
    if not output.can_ask():
        raise BadUsage("there is no text", hint="Type it after the command; `-` reads it from stdin.")
    marker = f"# Write above this line, about {about}. Nothing there: no comment.\n"
    text = (click.edit(f"\n{marker}", extension=".md") or "").partition(marker)[0].strip()
    if not text:
        raise BadUsage("nothing was written", hint="Type the text after the command, or write it in your editor.")
    return text
