"""bough diff"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.view import live_base, run_in_view

from bough_cli.branch_names import branch_and_paths, check_known
from bough_cli.connection import connect, here

LATEST = 10_000  # of one's own snapshots, by a part of whose id one may be named
SHORTEST = 6


def diff(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A live branch or a snapshot (default: your own branch).")
    ] = "",
    paths: Annotated[list[str] | None, typer.Argument(metavar="[-- PATH]...", help="Only these.")] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Show only how much has changed in each file.")] = False,
) -> None:
    """Show what a teammate has changed, or what you have.

    Of a live branch: since the commit that it is on, new files included. Of a snapshot: what has changed since then.
    """
    with connect() as daemon:
        daemon.save(here(), [], False, 0.0)
        mine = daemon.status(here()).branch
        since = _snapshot(name, [entry.tip for entry in daemon.log(here(), mine, LATEST).entries])
        name, only = branch_and_paths(daemon, "" if since else name, paths or [])
    check_known(only, found=False)
    before = since or live_base(here(), name or mine)
    after = f"refs/remotes/live/{mine if since else name or mine}"
    options = ["--stat"] if stat else []
    raise typer.Exit(
        run_in_view(here(), ["diff", *options, before, after, "--", *(f":(top,literal){one}" for one in only)])
    )


def _snapshot(name: str, tips: list[str]) -> str | None:
    """Return the one of these snapshots that a part of an id names, or None."""
    if OBJECT_ID.fullmatch(name):
        return name
    return next((tip for tip in tips if len(name) >= SHORTEST and tip.startswith(name)), None)
