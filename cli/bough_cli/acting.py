"""Run a command that changes the user's files: the daemon does it, and borrows this terminal when necessary."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.progress import Progress, Question
from bough_daemon.errors import DaemonFailed, InsideHook
from bough_daemon.git.command import unbound
from bough_daemon.git.worktree import live_root
from bough_daemon.system.at_work import PATIENCE
from bough_daemon.system.text import shown

from bough_cli import output, progress
from bough_cli.connection import connect, here

INSIDE = "BOUGH_INSIDE"  # set for what a command runs: the command's name, and the top folder of its working tree

# What the daemon may ask a terminal to run, and nothing else, even if something other than the daemon answers.
ASKED_OF_GIT = frozenset(
    "branch commit-tree config fetch hook ls-remote push rev-parse var worktree write-tree".split()
)


class UserTerminal:
    """The terminal that the command was typed in. Programs run as if the user had started them here."""

    def __init__(self, command: str, folder: str = "") -> None:
        """Lend the terminal to a command; `folder`: where it works, if not here."""
        self._inside = f"{command} {live_root(folder or here())}"

    def say(self, text: str) -> None:
        """Show a line."""
        output.talk(text)

    def tell(self, told: Progress) -> None:
        """Show what the daemon tells the user."""
        self.say(progress.words_of(told))

    def ask(self, asked: Question) -> bool:
        """Ask on a terminal; elsewhere return True, as nobody is there to answer."""
        told, question = progress.question(asked)
        self.say(told)
        return typer.confirm(output.harmless(question), err=True) if output.can_ask() else True

    def run(
        self, arguments: list[str], directory: str, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, str]:
        """Run git for the user; its errors are kept for a message that may follow."""
        if arguments[0] != "git" or arguments[1] not in ASKED_OF_GIT:
            raise DaemonFailed(f"the daemon asked for `{shown(arguments)}`, which no command needs")
        with subprocess.Popen(
            arguments,
            cwd=directory,
            env=unbound(os.environ) | dict(environment) | {INSIDE: self._inside},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as child:
            try:
                out, said = self._outcome(child, arguments, stdin)
            except BaseException:
                child.kill()
                raise
        return child.returncode, out, said.decode(errors="replace")

    def _outcome(self, child: subprocess.Popen[bytes], arguments: list[str], stdin: bytes) -> tuple[bytes, bytes]:
        """Return a program's output; name the program if it takes longer than a user waits in silence."""
        try:
            return child.communicate(stdin, PATIENCE)
        except subprocess.TimeoutExpired:
            self.say(f"running `{shown(arguments)}`; press Ctrl-C to stop it")
        return child.communicate()


def check_outside(command: str) -> None:
    """Raise NotPossibleNow in a hook of a command that is working on this tree: each would wait for the other."""
    running, _, root = os.environ.get(INSIDE, "").partition(" ")
    if running and root == live_root(here()):
        raise InsideHook(
            f"this command was started by a hook of `bough {running}`, which is still running here",
            hint=f"A hook cannot run `bough {command}`; it may run `bough status`, `save`, `log` and `git`.",
        )


@contextmanager
def acting(command: str) -> Iterator[tuple[Client, UserTerminal]]:
    """Yield the daemon and this terminal, for a command that changes files."""
    check_outside(command)
    with connect() as daemon:
        yield daemon, UserTerminal(command)


def tell(outcome: Any, lines: list[str], *, json: bool) -> None:
    """Show how a command ended."""
    if json:
        output.as_json(outcome)
    else:
        output.data("\n".join(lines))
