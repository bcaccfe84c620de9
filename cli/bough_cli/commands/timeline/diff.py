"""bough diff"""

from __future__ import annotations

import re
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.store_reading import live_base
from bough_daemon.git.view import run_in_view

from bough_cli.branch_names import branch_and_paths, check_known
from bough_cli.connection import connect, here

LATEST = 10_000  # of one's own snapshots, that can be named by a part of their id
PART_OF_ID = re.compile(r"[0-9a-f]{6,39}")


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
        since = _snapshot(daemon, mine, name)
        name, only = branch_and_paths(daemon, "" if since else name, paths or [])
    check_known(only, found=False)
    before = since or live_base(here(), name or mine)
    after = f"refs/remotes/live/{mine if since else name or mine}"
    options = ["--stat"] if stat else []
    raise typer.Exit(
        run_in_view(here(), ["diff", *options, before, after, "--", *(f":(top,literal){one}" for one in only)])
    )


def _snapshot(daemon: Client, branch: str, name: str) -> str | None:
    """Return the snapshot whose id begins with `name`, or None."""
    if OBJECT_ID.fullmatch(name):
        return name
    if not PART_OF_ID.fullmatch(name):
        return None
    entries = daemon.log(here(), branch, LATEST).entries
    return next((entry.tip for entry in entries if entry.tip.startswith(name)), None)
