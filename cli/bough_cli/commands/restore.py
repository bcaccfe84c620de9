"""bough restore"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli.acting import act


def restore(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders.")] = None,
    snapshot: Annotated[str, typer.Option("--from", metavar="SNAPSHOT", help="Which snapshot (see `bough log`).")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Bring back all files.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring files back from the timeline; without --from, from the newest snapshot in which they differ."""
    if bool(paths) == everything:
        raise BadUsage("name the files to bring back, or say --all")
    options = {"from": snapshot} if snapshot else {}
    act("restore", options | ({"all": "yes"} if everything else {}), paths or [], json=json)
