"""bough undo, redo"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import here


def undo(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Undo the last Bough command that changed your files."""
    with acting("undo") as (daemon, terminal):
        made = daemon.undo(here(), terminal)
    tell(made, outcomes.undone(made), json=json)


def redo(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Redo the command that `bough undo` reversed."""
    with acting("redo") as (daemon, terminal):
        made = daemon.redo(here(), terminal)
    tell(made, outcomes.redone(made), json=json)
