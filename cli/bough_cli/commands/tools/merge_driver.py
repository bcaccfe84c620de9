"""`bough merge-driver`: the merge driver that stock Git calls (gitattributes(5), "Defining a custom merge driver")."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from bough_daemon.errors import BoughError
from bough_daemon.system.text import printable

from bough_cli.commands.tools.merge_file import read, settings_in, spoken
from bough_cli.failure import show

# Git reads 0 as merged, 1 to 127 as conflicts, and anything higher as a failed driver.
CONFLICTS_LEFT = 1
FAILED = 129


def merge_driver(
    base: Annotated[Path, typer.Argument(help="%O, the common ancestor.")],
    ours: Annotated[Path, typer.Argument(help="%A, our version; the result is written here.")],
    theirs: Annotated[Path, typer.Argument(help="%B, their version.")],
    marker_size: Annotated[int, typer.Argument(help="%L, the length of conflict markers.")] = 7,
    path: Annotated[str, typer.Argument(help="%P, the path in the repository.")] = "",
    conflict_code: Annotated[
        int, typer.Option("--conflict-code", min=1, max=127, help="The exit code when conflicts remain.")
    ] = CONFLICTS_LEFT,
) -> None:
    """Merge one file for Git."""
    from bough_merge import merge_file as merge  # help needs no engine

    try:
        contents = [read(side) for side in (base, ours, theirs)]
        settings = settings_in(Path.cwd())
    except BoughError as refused:
        show(refused)
        raise typer.Exit(FAILED) from refused
    name = path or ours.name
    result = merge(contents[0], contents[1], contents[2], name, marker_size=max(marker_size, 1), settings=settings)
    for line in spoken(name, result):
        print(printable(line), file=sys.stderr)
    merged = ours.with_name(f"{ours.name}.merged")
    merged.write_bytes(result.content)
    merged.replace(ours)  # last and atomically, so that a failed driver has changed nothing
    if not result.clean:
        raise typer.Exit(conflict_code)
