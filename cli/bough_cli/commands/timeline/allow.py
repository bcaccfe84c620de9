"""bough allow"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import here


def allow(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders (default: list them).")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Withhold them again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Share files that `bough status` lists as withheld.

    This applies to this repository on this machine, until --stop. Teammates keep what they have received.
    """
    with acting("allow") as (daemon, terminal):
        made = daemon.allow(here(), terminal, paths or [], stop=stop)
    tell(made, outcomes.allowed(made, stop=stop), json=json)
