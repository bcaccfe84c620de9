"""bough rename"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli import output
from bough_cli.connection import connect, here


def rename(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your new name in the team.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Change your name, and that of your live branch."""
    with connect() as daemon:
        output.agree(f"Your old name cannot be used again in this team. Change it to {name}?", yes, "a change of name")
        renamed = daemon.rename(here(), name)
    if json:
        output.as_json(renamed)
        return
    output.data(f"You are {output.bold(renamed.member)} now, and so is your live branch; you were {renamed.before}")
