"""bough agent"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.records import AgentMade
from bough_daemon.api.trusted_commands import is_trusted, trust
from bough_daemon.errors import BadUsage, BoughError
from bough_daemon.git.command import unbound
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.text import printable, shown

from bough_cli import outcomes, output
from bough_cli.acting import UserTerminal, acting, tell
from bough_cli.connection import connect, here, home


def agent(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent; without it, list them.")] = "",
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND", help="What to run there, in this terminal.")
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="Open a shell there.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove its working tree; its live branch stays.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Run what `.bough.toml` names, without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Give an agent a working tree and a live branch.

    Both begin where you are: with your uncommitted changes, the files that `.bough.toml` names under `[worktree]`,
    `copy`, and ports and a database name of their own in BOUGH_PORT, BOUGH_PORTS and BOUGH_DATABASE. `bough hop` looks
    into it, `bough merge` brings its work here.
    """
    if not name:
        _list(json=json)
    elif remove:
        if command or shell:
            raise BadUsage("`--remove` runs nothing")
        _remove(name, json=json)
    else:
        if shell:
            command = [os.environ.get("SHELL", "/bin/sh"), *(command or [])]
        _make(name, command or [], yes=yes, json=json)


def _list(*, json: bool) -> None:
    with connect() as daemon:
        told = daemon.status(here())
    agents = [one for one in told.worktrees if one.agent]
    for one in agents:
        if json:
            output.as_json(one)
        else:
            output.data("\n".join(outcomes.worktree(one)))
    if not agents and not json:
        output.talk("No agents yet; `bough agent NAME -- COMMAND` makes one.")


def _remove(name: str, *, json: bool) -> None:
    with acting("agent") as (daemon, terminal):
        one = next((one for one in daemon.status(here()).worktrees if one.agent == name), None)
        if one is not None and not one.runs and one.live:
            if one.hopped_to:  # what was done and committed there is kept, and told
                moved = daemon.back(one.repository, UserTerminal("agent", one.repository))
                output.talk("\n".join(outcomes.returned(moved)))
            daemon.save(one.repository, [], False, 0.0)  # so that all of it is recorded
            daemon.down(one.repository, False)
        removed = daemon.remove_agent(here(), terminal, name)
    tell(removed, outcomes.agent_removed(removed, one.branch if one is not None else ""), json=json)


def _make(name: str, command: list[str], *, yes: bool, json: bool) -> None:
    with acting("agent") as (daemon, terminal):
        made = daemon.make_agent(here(), terminal, name)
        live = daemon.up(made.repository, "")
        if made.is_new:
            _prepare(made, yes=yes)
        if json:
            output.as_json(made)
        elif command:
            output.talk("\n".join(outcomes.agent_made(made, live.branch)))
        else:
            for line in outcomes.agent_made(made, live.branch):
                output.talk(line)
            output.data(made.repository)
        if command:
            sys.exit(_run(daemon, made, command))


def _prepare(made: AgentMade, *, yes: bool) -> None:
    """Run what `.bough.toml` names for a new working tree, if the user agrees."""
    if not made.run:
        return
    place, repository = home(), Worktree.find(made.repository).common_dir
    if not yes and not is_trusted(place, repository, made.run):
        if not output.can_ask():
            output.talk(f"not run, because nobody could be asked: {printable(made.run)}; `--yes` runs it")
            return
        if not typer.confirm(output.harmless(f".bough.toml wants to run `{made.run}` there; run it?"), err=True):
            return
    trust(place, repository, made.run)
    output.talk(f"running {printable(made.run)}")
    done = subprocess.run(made.run, shell=True, cwd=made.repository, env=_environment(made), check=False)
    if done.returncode != 0:
        output.talk(f"it ended with {done.returncode}")


def _run(daemon: Client, made: AgentMade, command: list[str]) -> int:
    """Run an agent's command in this terminal, tell the daemon when it starts and ends, and return its exit code."""
    typed = shown(command)
    try:
        child = subprocess.Popen(command, cwd=made.repository, env=_environment(made))
    except OSError as failure:
        raise BadUsage(f"{shlex.quote(command[0])} cannot be run: {failure.strerror}") from failure
    with suppress(BoughError):
        daemon.note_agent(here(), made.name, typed, child.pid)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which has this terminal
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    code = 128 - code if code < 0 else code
    with suppress(BoughError):  # the daemon may have been stopped meanwhile
        daemon.note_agent(here(), made.name, typed, child.pid, code)
    output.talk(f"{made.name} ended with {code}: `bough hop`, `bough merge` or `bough agent {made.name} --remove`")
    return code


def _environment(made: AgentMade) -> Mapping[str, str]:
    own = {
        "BOUGH_AGENT": made.name,
        "BOUGH_PORT": str(made.port),
        "BOUGH_PORTS": str(made.ports),
        "BOUGH_DATABASE": made.database,
        "PORT": str(made.port),
    }
    return {**unbound(os.environ), **own}
