"""The tree of tasks: every loop comes back when it is killed, and nothing outlives its owner."""

from __future__ import annotations

import ast
import asyncio
import gc
import logging
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.live_worktrees import LiveTrees
from bough_daemon.completion.process import WORK
from bough_daemon.control.daemon import Daemon
from bough_daemon.control.repository import Repository
from bough_daemon.errors import BoughError
from bough_daemon.history.branches import Branch
from bough_daemon.home import Home
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.watcher import FolderWatch
from bough_daemon.store.store import Store
from bough_daemon.sync.listener import PeerListener
from bough_daemon.sync.team_sync import TeamSync
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.team.team_files import Team

from tests.daemon.control.test_background import two
from tests.daemon.machines import run
from tests.daemon.support import make_repository
from tests.daemon.team_support import eventually

ROOM = Path(__file__).parents[3] / "daemon"


class Loops:
    """Every loop that any supervisor keeps, by name: how often it began, and the way to kill it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: dict[tuple[Supervisor, str], int] = {}
        self._death: dict[tuple[Supervisor, str], asyncio.Event] = {}
        real = Supervisor.keep

        def keep(supervisor: Supervisor, work: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
            return real(supervisor, work, lambda: self._mortal((supervisor, work), loop))

        monkeypatch.setattr(Supervisor, "keep", keep)

    async def _mortal(self, key: tuple[Supervisor, str], loop: Callable[[], Awaitable[None]]) -> None:
        self.begun[key] = self.begun.get(key, 0) + 1
        death = self._death[key] = asyncio.Event()
        living = asyncio.ensure_future(loop())
        dying = asyncio.ensure_future(death.wait())
        try:
            await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                return living.result()
            raise RuntimeError("killed by the test")
        finally:
            living.cancel()
            dying.cancel()
            await asyncio.gather(living, dying, return_exceptions=True)
            if self._death.get(key) is death:
                del self._death[key]

    def living(self) -> list[tuple[Supervisor, str]]:
        """Return the loops that go on now."""
        return list(self._death)

    async def kill(self, key: tuple[Supervisor, str]) -> None:
        """Kill a loop, and wait until it has begun again."""
        before = self.begun[key]
        self._death[key].set()
        await eventually(lambda: self.begun[key] > before and key in self._death, f"{key[1]} after it was killed")


def kept_in_source() -> set[str]:
    """Return the names under which loops are kept, as the source has them: `calling {name}` up to the brace."""
    found = set[str]()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(called, [name, _]) if ast.unparse(called).endswith("background.keep"):
                    match name:
                        case ast.Constant(str(text)) | ast.JoinedStr([ast.Constant(str(text)), *_]):
                            found.add(text)
                        case ast.Name("WORK"):
                            found.add(WORK)
                        case _:
                            raise AssertionError(f"the name of a loop in {path} is no text: {ast.unparse(name)}")
    return found


# What is over at once, unless it fails; what begins only when another machine is this member, too, or knows more of it.
MOMENTARY = {
    "resuming live working trees",
    "publishing above the state of another machine",
    "publishing above the state that peers know",
}


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for the socket of the completion process."""
    with tempfile.TemporaryDirectory(prefix="b ü") as made:
        yield Path(made)


def test_every_loop_comes_back_when_it_is_killed_and_is_counted(near: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = Loops(monkeypatch)
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.2)

    async def test() -> None:
        async with two(near) as (alice, at_alice, bob, at_bob):
            serving = asyncio.create_task(alice.run())
            (at_alice / "a.txt").write_bytes(b"two\n")
            _, session = await alice.session(str(at_alice))
            await session.save()
            await alice.completing._start()
            await eventually(lambda: "counting suggestions" in {work for _, work in loops.living()})
            killed = set[str]()
            for key in loops.living():
                if key in loops.living():  # another one's death may have ended it, as that of a conversation
                    await loops.kill(key)
                    killed.add(key[1])
                    told = await alice.status(str(at_alice)), await bob.status(str(at_bob))
                    assert any(one.work == key[1] and one.failures for status in told for one in status.failing), key
            missing = {name for name in kept_in_source() - MOMENTARY if not any(one.startswith(name) for one in killed)}
            assert not missing, "loops that this test does not meet"
            alice.stopping.set()
            await serving

    run(test())


class CancelledAt:
    """Do some work whose task is cancelled at its await number `at`. `met`: how many there were."""

    def __init__(self, work: Coroutine[Any, Any, None], at: int) -> None:
        self.met = 0
        self._work = work
        self._at = at

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        step: Callable[[], Any] = partial(steps.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration:
                return
            self.met += 1
            if self.met == self._at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                step = partial(steps.send, (yield awaited))
            except BaseException as failure:
                step = partial(steps.throw, failure)


def descriptors() -> list[str]:
    """Return what this process has open; what is only waiting for the collector is not."""
    gc.collect()
    found = list[str]()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(re.sub(r"\d+", "N", os.readlink(f"/proc/self/fd/{number}")))
    return sorted(found)


def children() -> list[str]:
    """Return the processes that this one has started and that have not ended."""
    found = list[str]()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            found += Path(f"{task}/children").read_text().split()
    return found


def threads() -> set[str]:
    """Return the threads that an owner has, so without those of the loop and of gRPC."""
    return {one.name for one in threading.enumerate() if not one.daemon and not one.name.startswith("asyncio_")}


async def live(home: Home, root: Path) -> None:
    """Be a daemon with one live working tree, for a moment."""
    async with Daemon.open(home) as daemon:
        await daemon.up(str(root), "alice")


class Balance:
    """What tasks, threads and descriptors there were when all was closed."""

    def __init__(self) -> None:
        self._before = descriptors(), threads(), set(children())
        self._tasks = asyncio.all_tasks()
        self._renew_threads()

    def _renew_threads(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        asyncio.get_running_loop().set_default_executor(self._threads)

    def _more(self) -> list[str]:
        return [*(Counter(descriptors()) - Counter(self._before[0])), *(set(children()) - self._before[2])]

    async def holds(self, root: Path, home: Home, when: str) -> None:
        """Fail where more is open now, or the store is still taken."""
        ending = self._threads
        self._renew_threads()
        await asyncio.to_thread(ending.shutdown)  # what was cancelled ends there, git child after git child
        assert asyncio.all_tasks() == self._tasks, when
        assert threads() == self._before[1], when
        with suppress(AssertionError):
            await eventually(lambda: not self._more())
        assert not self._more(), when
        Store(str(root / ".git"), home.root).close()


@pytest.fixture
def at_home(folder: Path) -> tuple[Home, Path]:
    """A home and a repository."""
    home = Home(str(folder / "home"), str(folder))
    make_repository(folder / "alice", {"a.txt": b"one\n"})
    home.make()
    return home, folder / "alice"


in_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="what a process has open is read in /proc")


@in_proc
def test_an_opening_or_a_closing_that_is_cancelled_leaves_nothing(at_home: tuple[Home, Path]) -> None:
    home, root = at_home

    async def test() -> None:
        whole = CancelledAt(live(home, root), -1)
        await whole
        balance = Balance()
        assert whole.met > 10
        for at in range(1, whole.met + 1):
            with suppress(asyncio.CancelledError):
                await CancelledAt(live(home, root), at)
            await balance.holds(root, home, f"cancelled at await {at} of {whole.met}")

    run(test())


STEPS = [
    (Store, "_make"),
    (PeerListener, "_listen"),
    (Team, "of_store"),
    (TeamSync, "_come_in"),
    (Branch, "__init__"),
    (Recorder, "__init__"),
    (FolderWatch, "_watch"),
    (FolderWatch, "rescan"),
    (Recorder, "_take"),
    (Repository, "_full_status"),
    (LiveTrees, "add"),
]


@in_proc
def test_an_opening_that_fails_half_way_leaves_nothing(
    at_home: tuple[Home, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = at_home

    # Pytest keeps what is logged, and that the frames of what failed, with all that is in them.
    monkeypatch.setattr(logging.getLogger("bough_daemon.recording.recorder"), "disabled", True)

    async def test() -> None:
        await live(home, root)
        balance = Balance()
        for owner, name in STEPS:
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, lambda *_, **__: 1 / 0)
                with pytest.raises((ZeroDivisionError, BoughError), match="division by zero"):
                    await live(home, root)
            await balance.holds(root, home, f"after {owner.__name__}.{name} failed")

    run(test())
