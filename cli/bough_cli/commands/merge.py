"""bough merge"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.acting import act


def merge(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A teammate, or a Git branch such as main.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show what would happen and change nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also remove what its author never touched, or bring back what was taken out.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring a teammate's branch, or a Git branch, into your files."""
    chosen = {"preview": preview, "yes": yes}
    act("merge", {"name": name} | {option: "yes" for option, on in chosen.items() if on}, json=json)
