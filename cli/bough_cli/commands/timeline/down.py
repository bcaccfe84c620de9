"""bough down"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, is_running, wait_until_ended

from bough_cli import output
from bough_cli.commands.tools.merge_tool import uninstalled
from bough_cli.connection import connect, here, home

QUESTION = "Remove every snapshot, the team and all records of Bough in this repository?"


def down(
    everything: Annotated[bool, typer.Option("--all", help="End the daemon with all it serves.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove every trace of Bough here, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop being live here; what was recorded stays."""
    if everything and not forget:
        _end_daemon()
        return
    if forget:
        output.agree(QUESTION, yes, "removing every snapshot")
        ensure_running(home(), output.talk)
    with connect() as daemon:
        daemon.down(here(), forget)
    if forget:
        uninstalled("--local")
    output.talk(
        "Every trace of Bough here is gone." if forget else "No longer live here; `bough up` goes on from here."
    )


def _end_daemon() -> None:
    place = home()
    if not is_running(place):
        output.talk("The daemon is not running.")
        return
    with Client(place) as daemon:
        daemon.shutdown()
    wait_until_ended(place, output.talk)
    output.talk("The daemon has ended; what was live comes back with the next command there.")
