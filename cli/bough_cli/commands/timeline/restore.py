"""bough restore"""

from __future__ import annotations

import datetime
from typing import Annotated

import typer
from bough_daemon.errors import BadUsage, NoPathNamed, UnknownSnapshot
from bough_daemon.git.reflog import latest_move

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import here


def restore(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders.")] = None,
    snapshot: Annotated[
        str, typer.Option("--from", metavar="SNAPSHOT", help="A snapshot or a time: 10m, 14:05 (see `bough log`).")
    ] = "",
    before: Annotated[
        str, typer.Option("--before", metavar="WORDS", help='As they were before Git did that: "git reset".')
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Restore from this teammate's branch.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Restore all files.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Restore files from the timeline.

    Without --from, each path becomes the newest version that differs from what is on disk; repeat the command to go
    one version further back.
    """
    if bool(paths) == everything:
        raise NoPathNamed("no path was named")
    if before:
        snapshot = _moment_before(before, snapshot)
    with acting("restore") as (daemon, terminal):
        made = daemon.restore(here(), terminal, paths or [], since=snapshot, name=name, everything=everything)
    tell(made, outcomes.restored(made), json=json)


def _moment_before(words: str, snapshot: str) -> str:
    """Return the moment just before the Git command that `words` name, in the form that `--from` takes."""
    if snapshot:
        raise BadUsage("`--from` and `--before` cannot be combined")
    move = latest_move(here(), words)
    if move is None:
        hint = "`bough log` shows what Git did between the snapshots."
        raise UnknownSnapshot(f"Git did nothing like {words!r} here", since=words, hint=hint)
    return datetime.datetime.fromtimestamp(move.time - 1).isoformat(" ")
