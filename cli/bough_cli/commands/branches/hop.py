"""bough hop, back, off"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer
from bough_daemon.api.records import MoveOutcome
from bough_daemon.errors import BadUsage, BoughError, NotLive
from bough_daemon.git.command import unbound
from msgspec.structs import replace

from bough_cli import outcomes, output
from bough_cli.acting import UserTerminal, acting, tell
from bough_cli.connection import connect, here

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def hop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The teammate whose branch to switch to.")],
    follow: Annotated[bool, typer.Option("--follow", help="Only receive their changes; yours stay here.")] = False,
    solid: Annotated[
        bool, typer.Option("--solid", help="With --follow: only what they marked with `bough solid`.")
    ] = False,
    at: Annotated[
        str, typer.Option("--at", metavar="MOMENT", help="Their files at a snapshot or time: 10m, 14:05, 9b2e41c.")
    ] = "",
    worktree: Annotated[
        bool, typer.Option("--worktree", help="In a working tree of its own, kept for this; print its path.")
    ] = False,
    shell: Annotated[bool, typer.Option("--shell", help="With --worktree: open a shell there.")] = False,
    json: Json = False,
) -> None:
    """Work in a teammate's branch, together with them.

    From then on your saves go into their files and theirs into yours. `bough back` returns to your own branch. With
    `--worktree` your own files stay as they are.
    """
    if name == "-":
        raise BadUsage("`-` does not name a branch", hint="Use `bough back` to return to your own.")
    if follow and at:
        raise BadUsage("a moment of a branch cannot be followed: use either --follow or --at")
    if solid and not follow:
        raise BadUsage("solid states are followed: use `--solid` with `--follow`")
    if shell and not worktree:
        raise BadUsage("the shell is for a working tree of its own: use `--shell` with `--worktree`")
    if not worktree:
        with acting("hop") as (daemon, terminal):
            moved = daemon.hop(here(), terminal, name, follow=follow, solid=solid, at=at)
        tell(moved, outcomes.hopped(moved), json=json)
        return
    moved = _in_worktree(name, follow=follow, solid=solid, at=at)
    if json:
        output.as_json(moved)
    else:
        output.talk("\n".join(outcomes.hopped_in_worktree(moved)))
        if not shell:
            output.data(moved.worktree)
    if shell:
        sys.exit(_shell(moved.worktree))


def _in_worktree(name: str, *, follow: bool, solid: bool, at: str) -> MoveOutcome:
    """Hop in the working tree for hops, which is created the first time."""
    with acting("hop") as (daemon, terminal):
        made = daemon.make_hop_worktree(here(), terminal, name)
        there = UserTerminal("hop", made.repository)
        hop_there = partial(daemon.hop, made.repository, there, name, follow=follow, solid=solid, at=at)
        try:
            moved = hop_there()
        except NotLive:
            daemon.up(made.repository, "")
            moved = hop_there()
    return replace(moved, worktree=made.repository)


def _shell(folder: str) -> int:
    """Open the user's shell in a folder; say where they are again once it has ended, and return its exit code."""
    came_from = here()
    done = subprocess.run([os.environ.get("SHELL", "/bin/sh")], cwd=folder, env=unbound(os.environ), check=False)
    with suppress(BoughError), connect() as daemon:
        output.talk(outcomes.here_again(daemon.status(came_from), came_from))
    return done.returncode


def back(json: Json = False) -> None:
    """Return to your own branch, as it was before the hop."""
    with acting("back") as (daemon, terminal):
        moved = daemon.back(here(), terminal)
    tell(moved, outcomes.returned(moved), json=json)


def off(
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="The name of the new Git branch.")], json: Json = False
) -> None:
    """Create a Git branch from the current state."""
    with acting("off") as (daemon, terminal):
        moved = daemon.off(here(), terminal, branch)
    tell(moved, outcomes.branched_off(moved), json=json)
