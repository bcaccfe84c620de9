"""bough leave"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here

QUESTION = (
    "From now on your saves are recorded here and shared with nobody, and your name and key are not let in again. "
    "Leave the team?"
)


def leave(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Leave the team; your saves are recorded here as before."""
    with connect() as daemon:
        output.agree(QUESTION, yes, "leaving the team")
        left = daemon.leave(here())
    if json:
        output.as_json(left)
        return
    output.data("You left the team; your saves are recorded here and shared with nobody")
    if not left.told:
        output.talk("No teammate is connected: they hear of it when one of them calls this machine.")
