"""bough down"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, is_running, wait_until_ended

from bough_cli import output, progress
from bough_cli.commands.tools.merge_tool import uninstalled
from bough_cli.connection import connect, here, home

QUESTION = "Delete all snapshots, the team and all other data of Bough in this repository?"


def down(
    everything: Annotated[bool, typer.Option("--all", help="Stop the daemon and everything it serves.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Delete all data of Bough here, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop recording this working tree; snapshots are kept."""
    if everything and not forget:
        _end_daemon()
        return
    if forget:
        output.agree(QUESTION, yes, "deleting all snapshots")
        ensure_running(home(), progress.tell)
    with connect() as daemon:
        daemon.down(here(), forget)
    if forget:
        uninstalled("--local")
    output.talk(
        "All data of Bough in this repository was deleted."
        if forget
        else "Stopped recording here; `bough up` resumes it."
    )


def _end_daemon() -> None:
    place = home()
    if not is_running(place):
        output.talk("The daemon is not running.")
        return
    with Client(place) as daemon:
        daemon.shutdown()
    wait_until_ended(place, progress.tell)
    output.talk("The daemon has stopped; the next command in a live working tree starts it again.")
