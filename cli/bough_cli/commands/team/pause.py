"""bough pause and bough resume"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import BadUsage

from bough_cli import outcomes
from bough_cli.acting import acting, tell
from bough_cli.connection import connect, here

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Paths = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="With --files: files or folders.")]


def pause(
    paths: Paths = None,
    files: Annotated[
        bool, typer.Option("--files", help="Hide only these files or folders (without any: list those hidden).")
    ] = False,
    json: Json = False,
) -> None:
    """Share nothing new with your team until `bough resume`.

    Your saves are still recorded on this machine. Teammates see since when you have paused, and keep what they have
    received; what they share still arrives here. It holds for this repository on this machine, also after a restart.

    With --files everything else is shared as usual, and teammates see these files as they were last committed and
    shared, until `bough resume PATH`.
    """
    if paths and not files:
        raise BadUsage(
            "a pause applies to everything; to hide only some files, add --files", hint="`bough pause --files PATH`"
        )
    if files:
        with acting("pause") as (daemon, terminal):
            made = daemon.hide(here(), terminal, paths or [])
        tell(made, outcomes.hidden(made, stop=False), json=json)
        return
    with connect() as daemon:
        state = daemon.pause_sharing(here())
    tell(state, outcomes.paused(state), json=json)


def resume(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Hidden files or folders to share again.")
    ] = None,
    json: Json = False,
) -> None:
    """Share with your team again after `bough pause`.

    Your newest state goes out at once. With PATH only what `bough pause --files` hid is shared again.
    """
    if paths:
        with acting("resume") as (daemon, terminal):
            made = daemon.hide(here(), terminal, paths, stop=True)
        tell(made, outcomes.hidden(made, stop=True), json=json)
        return
    with connect() as daemon:
        state = daemon.pause_sharing(here(), stop=True)
    tell(state, outcomes.resumed(state), json=json)
