"""Members who type `bough`, each with a home and a daemon of their own."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.launch import is_running, wait_until_ended
from bough_daemon.errors import HomeUnusable
from bough_daemon.home import Home

from tests import ready
from tests.daemon.support import git, make_repository


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition, or fail. It is asked less and less often: a command that is typed again takes its time."""
    began, pause = time.monotonic(), 0.02
    while not condition():
        assert time.monotonic() < began + seconds, "the condition did not come about in time"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.25)


@dataclass
class Typed:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Member:
    """One who types in a working tree."""

    name: str
    tree: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def types(self, *arguments: str, stdin: str = "", where: Path | None = None) -> Typed:
        """Type a `bough` command, and return whatever came of it."""
        environment = os.environ | {"BOUGH_HOME": str(self.home)} | self.variables
        code, out, err = ready.run(arguments, where or self.tree, environment, stdin.encode())
        return Typed(code, os.fsdecode(out), os.fsdecode(err))

    def bough(self, *arguments: str, stdin: str = "") -> str:
        """Type a `bough` command that succeeds, and return what it printed."""
        typed = self.types(*arguments, stdin=stdin)
        assert typed.code == 0, f"bough {arguments}: {typed}"
        return typed.out.strip()

    def told(self, *arguments: str) -> dict[str, Any]:
        """Type a `bough` command with `--json` and return its object."""
        said: dict[str, Any] = json.loads(self.bough(*arguments, "--json"))
        return said

    def git(self, *arguments: str) -> str:
        """Type a git command that succeeds."""
        return git(self.tree, *arguments)

    def daemon_pid(self) -> int:
        """Return the process id of this member's daemon."""
        return int((self.home / "daemon.lock").read_text())

    def ends(self) -> None:
        """End this member's daemon, where there is one, without the cost of a command."""
        with suppress(HomeUnusable):  # no daemon can be there
            if is_running(self._home()):
                os.kill(self.daemon_pid(), signal.SIGTERM)
                wait_until_ended(self._home())

    def is_killed(self) -> None:
        """Kill this member's daemon; what is typed next finds none."""
        os.kill(self.daemon_pid(), signal.SIGKILL)
        wait_until_ended(self._home())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop this member's daemon, as if their machine hung, until the end of the block."""
        os.kill(self.daemon_pid(), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.daemon_pid(), signal.SIGCONT)

    def _home(self) -> Home:
        return Home.from_environment(os.environ | {"BOUGH_HOME": str(self.home)} | self.variables)


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Callable[[str], Member]]:
    """Make members: the first gets a new repository, the others clones of it. Their daemons end with the test."""
    made: list[Member] = []

    def make(name: str, files: dict[str, bytes] | None = None) -> Member:
        tree = tmp_path / f"{name}s wörk"
        if made:
            git(tmp_path, "clone", "-q", str(made[0].tree), str(tree))
        else:
            make_repository(tree, files or {"a.txt": b"one\ntwo\nthree\n", "src/b.py": b"def b():\n    return 1\n"})
        git(tree, "config", "user.name", name.title())
        git(tree, "config", "user.email", f"{name}@example.org")
        made.append(Member(name, tree, tmp_path / f"home-{name}"))
        return made[-1]

    yield make
    for member in made:
        member.ends()


@pytest.fixture
def alice(members: Callable[[str], Member]) -> Member:
    """A member with a repository that is not live yet."""
    return members("alice")
