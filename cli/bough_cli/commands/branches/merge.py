"""bough merge"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import here
from bough_cli.failure import CONFLICTS


def merge(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A teammate, or a Git branch such as main.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show what would happen and change nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also remove what its author never touched, or bring back removed commits.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Merge a teammate's branch, or a Git branch, into your files."""
    with acting("merge") as (daemon, terminal):
        made = daemon.merge(here(), terminal, name, preview=preview, yes=yes)
    tell(made, outcomes.merged(made, preview=preview), json=json)
    if made.result == "conflict" and not preview:
        raise typer.Exit(CONFLICTS)
