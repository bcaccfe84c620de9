"""bough undo"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.acting import act


def undo(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Take back the last Bough command that changed your files."""
    act("undo", json=json)
