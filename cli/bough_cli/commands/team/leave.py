"""bough leave"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here

QUESTION = "Your saves will stay on this machine, and your name and key cannot join this team again. Leave the team?"


def leave(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Leave the team; your saves are still recorded here."""
    with connect() as daemon:
        output.agree(QUESTION, yes, "leaving the team")
        left = daemon.leave(here())
    if json:
        output.as_json(left)
        return
    output.data("You left the team; your saves are recorded on this machine only")
    if left.copies:
        output.talk(
            f"You keep your copies of the branches {output.few(left.copies)}; teammates keep their copies of yours."
        )
    if not left.told:
        output.talk("No teammate is connected; they learn of it when one next connects to this machine.")
