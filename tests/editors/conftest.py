"""A live repository for real editors, and a terminal that they run in."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Member, members

__all__ = ["members"]

LINES = b"window.open_with(title)\n" * 40
REST = "en_with(title)"
PATIENCE = 60.0


@pytest.fixture
def live(members: Callable[..., Member]) -> Member:
    """A member whose repository is live and has lines to learn; `bough` is on the PATH of her editors."""
    alice = members("alice", {"a.py": LINES, "b.py": b"x = 1\n"})
    alice.bough("up")
    scripts = os.path.dirname(sys.executable)
    alice.variables = {
        "BOUGH_HOME": str(alice.home),
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
    }
    return alice


@pytest.fixture
def http(live: Member) -> tuple[int, str]:
    """The port and token of the live repository's HTTP door, opened; the repository has been learned."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    live.bough("config", "set", "completion.http_port", str(port))
    live.bough("complete", "a.py:1:1")
    return port, (live.home / "completion.token").read_text().strip()


class Screen:
    """A program in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.shown = b""

    def types(self, keys: str) -> None:
        """Send keystrokes."""
        os.write(self.terminal, keys.encode())

    def until(self, text: str, again: str = "") -> None:
        """Wait until something is shown; type `again` every two seconds, as plugins may not be ready yet."""
        deadline, due = time.monotonic() + PATIENCE, time.monotonic() + 2
        while text.encode() not in self.shown:
            now = time.monotonic()
            assert now < deadline, self.shown[-1000:].decode(errors="replace")
            if again and now > due:
                self.types(again)
                due = now + 2
            self._read(0.1)

    def settles(self) -> None:
        """Wait until nothing new has been shown for a second: what an editor puts off until it is idle is done."""
        shown, since = len(self.shown), time.monotonic()
        while time.monotonic() < since + 1:
            self._read(0.1)
            if len(self.shown) > shown:
                shown, since = len(self.shown), time.monotonic()

    def ends(self) -> None:
        """Wait until the program has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown[-1000:].decode(errors="replace")
            self._read(0.1)

    def _read(self, seconds: float) -> None:
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                self.shown += os.read(self.terminal, 65536)
            except OSError:
                pass  # the program has ended


@contextmanager
def screen(member: Member, *command: str) -> Iterator[Screen]:
    """Run a program in a terminal as long as the block."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=member.tree,
        env=dict(os.environ) | member.variables,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def plugin(variable: str) -> Path | None:
    """Return the folder of an editor's plugin that a variable of the environment names."""
    found = os.environ.get(variable)
    return Path(found) if found and Path(found).is_dir() else None
