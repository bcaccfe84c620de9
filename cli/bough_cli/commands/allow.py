"""bough allow"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.acting import act


def allow(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or folders (default: list them).")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Keep them at home again, from now on.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let files leave that `bough status` lists as withheld.

    It holds for this repository on this machine, until --stop. What teammates have got they keep.
    """
    act("allow", {"stop": "yes"} if stop else {}, paths or [], json=json)
