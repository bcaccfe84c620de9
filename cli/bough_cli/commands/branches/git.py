"""bough git"""

from __future__ import annotations

import typer
from bough_daemon.git.view import run_in_view

from bough_cli.connection import here


def git(context: typer.Context) -> None:
    """Run a reading git command in a view that has every live branch: `bough git log main..alice`."""
    raise typer.Exit(run_in_view(here(), context.args))
