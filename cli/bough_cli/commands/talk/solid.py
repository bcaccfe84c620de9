"""bough solid"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def solid(
    message: Annotated[list[str] | None, typer.Argument(metavar="[MESSAGE]", help="Why, or what it has.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Mark your newest snapshot as fit to be taken."""
    with connect() as daemon:
        made = daemon.mark_solid(here(), " ".join(message or []))
    if json:
        output.as_json(made)
    else:
        output.data(f"Marked {made.branch} as solid at {output.short(made.tip)}")
