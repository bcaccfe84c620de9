"""bough complete"""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli import output
from bough_cli.connection import connect, here


def complete(
    place: Annotated[str, typer.Argument(metavar="FILE:LINE:COLUMN", help="Where the cursor is, counted from one.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Continue the code at a place in a file."""
    found = re.fullmatch(r"(.+):(\d+):(\d+)", place, re.DOTALL)
    if found is None:
        raise BadUsage(f"{place} is not FILE:LINE:COLUMN")
    file = os.path.join(here(), found[1])
    with connect() as daemon:
        told = daemon.complete(here(), file, int(found[2]), int(found[3]), b"")
    if json:
        output.as_json(told)
        return
    output.talk(f"{told.engine}: {output.count(len(told.continuations), 'answer')}")
    for continuation in told.continuations[:1]:
        output.data(continuation.text)
