"""bough guests"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli import outcomes
from bough_cli.acting import tell
from bough_cli.connection import connect, here


def guests(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A guest (default: list them).")] = "",
    rule: Annotated[str, typer.Argument(metavar="[fold|off|ask]", help="What happens to their edits.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decide whose edits come into your files.

    A teammate who hops into your branch is your guest. With `fold` their saves come into your files, with `off` they
    stay out; either is remembered for that guest in this repository, until `ask` removes it. Guests about whom you have
    not decided are treated as `bough config set together.guests` says: fold (the default), ask (their edits wait until
    you decide), or off, which holds for everyone. What has already come in stays; `bough restore` takes it out.
    """
    if bool(name) != bool(rule):
        raise BadUsage("a guest needs a rule for their edits: fold, off or ask", hint="`bough guests NAME fold`")
    with connect() as daemon:
        told = daemon.guests(here(), name, rule)
    tell(told, outcomes.guests(told), json=json)
