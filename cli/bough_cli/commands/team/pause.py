"""bough pause and bough resume"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import outcomes
from bough_cli.acting import tell
from bough_cli.connection import connect, here

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def pause(json: Json = False) -> None:
    """Share nothing new with your team until `bough resume`.

    Your saves are still recorded on this machine. Teammates see since when you have paused, and keep what they have
    received; what they share still arrives here. It holds for this repository on this machine, also after a restart.
    """
    with connect() as daemon:
        state = daemon.pause_sharing(here())
    tell(state, outcomes.paused(state), json=json)


def resume(json: Json = False) -> None:
    """Share with your team again after `bough pause`.

    Your newest state goes out at once.
    """
    with connect() as daemon:
        state = daemon.pause_sharing(here(), stop=True)
    tell(state, outcomes.resumed(state), json=json)
