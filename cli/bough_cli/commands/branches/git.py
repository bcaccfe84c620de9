"""bough git"""

from __future__ import annotations

import typer
from bough_daemon.git.view import run_in_view

from bough_cli.connection import here


def git(context: typer.Context) -> None:
    """Run a read-only git command that sees every live branch.

    For example: `bough git log main..alice`.
    """
    raise typer.Exit(run_in_view(here(), context.args))
