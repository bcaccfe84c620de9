"""bough merge"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.acting import act


def merge(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose branch to bring into yours.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show what would happen and change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring a teammate's branch into your files."""
    act("merge", {"name": name} | ({"preview": "yes"} if preview else {}), json=json)
