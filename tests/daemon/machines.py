"""The machines of a team in one test, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from bough_daemon.store.packs import Limits

from tests.daemon.support import git, make_repository
from tests.daemon.team_support import DEADLINE, Side, eventually

LOOPBACK = "127.0.0.1"


FILES = {"a.txt": b"one\n" * 30, "dir/b.txt": b"two\n"}


class Machines:
    """The machines of one test; all of them are stopped at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = make_repository(folder / "origin", FILES)
        self.running: list[Side] = []

    async def start(self, name: str, limits: Limits | None = None) -> Side:
        """Start a member's daemon in a clone of its own, the same one as before if there is one."""
        root = self.folder / name
        if not root.exists():
            git(self.folder, "clone", "-q", str(self.origin), str(root))
        side = await Side.start(root, self.folder / f"home-{name}", name, limits)
        self.running.append(side)
        return side

    async def stop(self, side: Side) -> None:
        """Stop a member's daemon."""
        self.running.remove(side)
        await side.stop()

    async def team(self, *names: str, limits: Limits | None = None) -> list[Side]:
        """Start members and let all of them into the team of the first."""
        first, *others = [await self.start(name, limits) for name in names]
        for side in others:
            await side.sync.join((await first.sync.invite(LOOPBACK)).ticket, side.name)
        for side in others:
            await eventually(lambda: first.is_connected(side.name) and side.is_connected(first.name))
        return [first, *others]


@contextlib.asynccontextmanager
async def machines(folder: Path) -> AsyncIterator[Machines]:
    """Yield the machines of one test."""
    made = Machines(folder)
    try:
        yield made
    finally:
        for side in list(made.running):
            await made.stop(side)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, within a deadline."""
    asyncio.run(asyncio.wait_for(test, 2.5 * DEADLINE))
