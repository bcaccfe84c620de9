"""bough land"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.acting import act


def land(
    message: Annotated[
        list[str], typer.Option("-m", "--message", metavar="MESSAGE", help="Commit message; again for a paragraph.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Also remove what you never touched.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put your work on the shared branch: merge, commit, publish, in one step."""
    act("land", {"message": "\n\n".join(message)} | ({"yes": "yes"} if yes else {}), json=json)
