"""bough up"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from bough_daemon.api.user_service import offers_service

from bough_cli import output
from bough_cli.connection import connect, here, home


def up(
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Your name in the team (default: from Git).")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make this repository live, so that every save is recorded."""
    with connect(start=True) as daemon:
        made = daemon.up(here(), name)
    if json:
        output.as_json(made)
        return
    verb = "is already live" if made.already else "is live"
    output.data(f"{made.repository} {verb}; you are {output.bold(made.member)}, your branch is {made.branch}")
    if sys.stderr.isatty() and offers_service(home(), os.environ):
        output.talk("Run `bough service install` to have it live again after a reboot without typing anything.")
