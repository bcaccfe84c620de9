"""Run a command that changes the user's files: the daemon does it, and borrows this terminal where it needs one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from json import loads

import typer
from bough_daemon.git import unbound
from bough_daemon.report import Act

from bough_cli import output
from bough_cli.connection import connect, here
from bough_cli.failure import CONFLICTS


class Terminal:
    """The terminal that the command was typed in. Programs run as if the user had started them here."""

    def say(self, text: str) -> None:
        """Show a line."""
        output.talk(text)

    def ask(self, question: str) -> bool:
        """Ask on a terminal; elsewhere nobody is there to say no."""
        return typer.confirm(question, err=True) if sys.stdin.isatty() and sys.stderr.isatty() else True

    def run(
        self, arguments: list[str], directory: str, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, str]:
        """Run a program for the user; its errors are kept for the message that may follow."""
        done = subprocess.run(
            arguments,
            cwd=directory,
            env=unbound(os.environ) | dict(environment),
            input=stdin,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def act(command: str, options: dict[str, str] | None = None, paths: list[str] | None = None, *, json: bool) -> None:
    """Run a command in the daemon and show how it ended; exit with 3 where it left conflicts."""
    with connect() as daemon:
        done = daemon.act(Act(here(), command, options or {}, paths or []), Terminal())
    if json:
        output.as_json(loads(done.report))
    else:
        output.data(done.sentence)
    if done.conflicts:
        raise typer.Exit(CONFLICTS)
