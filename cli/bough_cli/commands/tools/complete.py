"""bough complete"""

from __future__ import annotations

import os
import re
import time
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running
from bough_daemon.api.records import UseRecord
from bough_daemon.errors import BadUsage

from bough_cli import output
from bough_cli.connection import connect, here, home


def complete(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE:COLUMN", help="The cursor position, counted from 1.")] = "",
    doors: Annotated[bool, typer.Option("--doors", help="Show how editors connect to completion.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Show what became of the suggestions so far.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Complete the code at a position in a file."""
    if sum((bool(place), doors, stats)) != 1:
        raise BadUsage("give a position as FILE:LINE:COLUMN, or one of --doors and --stats")
    if doors:
        _show_doors(json)
    elif stats:
        _show_stats(json)
    else:
        _complete(place, json)


def _complete(place: str, json: bool) -> None:
    found = re.fullmatch(r"(.+):(\d+):(\d+)", place, re.DOTALL)
    if found is None:
        raise BadUsage(f"{place} is not FILE:LINE:COLUMN")
    file = os.path.join(here(), found[1])
    with connect() as daemon:
        told = daemon.complete(here(), file, int(found[2]), int(found[3]), b"")
    if json:
        output.as_json(told)
        return
    for note in told.notes:
        output.talk(note)
    output.talk(f"{told.engine}: {output.count(len(told.continuations), 'answer')}")
    for continuation in told.continuations[:1]:
        output.data(continuation.text)


def _show_doors(json: bool) -> None:
    ensure_running(home())
    with Client(home()) as daemon:
        told = daemon.doors()
    if json:
        output.as_json(told)
        return
    output.data("language server: bough lsp")
    if told.http:
        output.data(f"HTTP: {told.http}, with the token in {told.token_file}")
    else:
        output.data("HTTP: closed; `bough config set completion.http_port 8012` opens it")
    if told.socket:
        output.data(f"gRPC: unix:{told.socket}")
    for note in told.notes:
        output.talk(note)


def _show_stats(json: bool) -> None:
    ensure_running(home())
    with Client(home()) as daemon:
        uses = daemon.uses()
    if json:
        output.as_json({"repositories": uses})
        return
    for use in uses:
        _show_use(use)
    if not uses:
        output.talk("Nothing has been suggested yet.")


def _show_use(use: UseRecord) -> None:
    since = time.strftime("%Y-%m-%d", time.localtime(use.since))
    output.data(f"{output.bold(use.repository)}, since {since}")
    output.data(f"  shown     {use.shown}")
    output.data(f"  accepted  {use.accepted}{_share(use.accepted, use.shown)}, {use.accepted_characters} characters")
    output.data(
        f"  committed {use.committed}; {use.kept_characters} of their {use.committed_characters} characters"
        f" are in the commit{_share(use.kept_characters, use.committed_characters)}"
    )


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""
