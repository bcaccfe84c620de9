"""A daemon lets old snapshots go by itself, aside, and only where nobody may miss one."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from bough_daemon.api import settings
from bough_daemon.api.keep_ages import USUAL
from bough_daemon.control import maintenance
from bough_daemon.control.daemon import Daemon
from bough_daemon.control.maintenance import ages_of
from bough_daemon.control.repository import Where
from bough_daemon.errors import DiskFull
from bough_daemon.history.timeline import Snapshot, timeline
from bough_daemon.retention import thinning
from bough_daemon.retention.thinning import PENDING
from bough_daemon.store.store import LIVE, Store
from bough_daemon.system.environment import NOTHING

from tests.daemon.control.test_background import daemon_of
from tests.daemon.machines import LOOPBACK, run
from tests.daemon.support import git
from tests.daemon.team_support import eventually

DAY = 24 * 3600.0


class Later:
    """A clock that is ahead by a number of seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Later:
    made = Later(2 * DAY)
    monkeypatch.setattr(maintenance, "time", made)
    return made


def forgets(daemon: Daemon) -> None:
    """Let old snapshots go."""
    settings.change(daemon.home, "store.keep", USUAL)


async def works(daemon: Daemon, root: Path, saves: int = 8) -> None:
    """Save a file again and again, and commit it."""
    _, session = await daemon.session(str(root))
    for number in range(saves):
        (root / "a.txt").write_bytes(b"%d\n" % number)
        await session.save()
    git(root, "commit", "-qam", "works")
    await session.save()


async def history(daemon: Daemon, root: Path) -> list[Snapshot]:
    """Return the timeline of a working tree's live branch."""
    repository, session = await daemon.session(str(root))
    store = repository.store

    def look() -> list[Snapshot]:
        tip = store.ref(LIVE + session.branch.name)
        assert tip is not None
        return list(timeline(store.objects, tip))

    return await repository.owner.run(look)


def started_over(snapshots: list[Snapshot]) -> bool:
    """Return whether a snapshot does not descend from the one before it."""
    return any(one.previous is not None and one.previous not in one.parents for one in snapshots)


def test_what_a_daemon_plans_the_next_one_removes(folder: Path, clock: Later) -> None:
    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            forgets(alice)
            await works(alice, root)
            before = await history(alice, root)
            repository, session = await alice.session(str(root))
            await repository.maintenance.look(least=5)
            after = await history(alice, root)
            assert after[1:] == before and after[0].parents == (after[0].base,)
            assert os.path.exists(os.path.join(repository.store.folder, PENDING))
            (root / "a.txt").write_bytes(b"goes on\n")
            await session.save()
            whole = await history(alice, root)
        async with Daemon.open(alice.home) as again:
            await again._revive()
            left = [one.oid for one in await history(again, root)]
            assert len(left) < len(whole) - 4 and [one.oid for one in whole if one.oid in left] == left
            repository, _ = await again.session(str(root))
            assert not os.path.exists(os.path.join(repository.store.folder, PENDING))
            git(Path(repository.store.path), "fsck", "--full", "--strict", "--no-dangling")

    run(test())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_history_starts_over_only_while_every_teammate_is_there(folder: Path, clock: Later, is_there: bool) -> None:
    clock.seconds = 3 * 3600.0

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            forgets(alice)
            await works(alice, root)  # before Bob's first snapshot, which would be the same commit as Alice's
            async with daemon_of(folder, "bob", root) as (bob, at_bob):
                repository, _ = await alice.session(str(root))
                ticket = (await repository.invite(Where(LOOPBACK), 0, 1)).ticket
                await bob.join(str(at_bob), ticket, "bob", NOTHING, Where(LOOPBACK))
                await eventually(lambda: any(one.connected for one in repository.sync.teammates()))
                if is_there:
                    async with asyncio.timeout(30):  # a late look at the files may have come in between
                        while not started_over(await history(alice, root)):
                            await repository.maintenance.look(least=5)
                    return
            await eventually(lambda: not any(one.connected for one in repository.sync.teammates()))
            await repository.maintenance.look(least=5)
            assert not started_over(await history(alice, root))

    run(test())


def test_nothing_goes_unless_the_user_says_so(folder: Path, clock: Later) -> None:
    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            await works(alice, root)
            before = await history(alice, root)
            repository, _ = await alice.session(str(root))
            await repository.maintenance.look(least=1)
            assert await history(alice, root) == before
            assert not os.path.exists(os.path.join(repository.store.folder, PENDING))
            Path(alice.home.path("config.toml")).write_text("store.keep = 7\n")
            assert ages_of(alice.home) is None  # nothing goes by a setting that cannot be read

    run(test())


def test_planning_stops_no_tidying_and_ends_soon(folder: Path, clock: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits()
    monkeypatch.setattr(thinning, "propose", waits)

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            forgets(alice)
            repository, _ = await alice.session(str(root))
            looking = asyncio.create_task(repository.maintenance.look())
            await eventually(lambda: waits.began)
            assert not repository.store.gathering.locked()
            began = time.monotonic()
            looking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await looking
            assert time.monotonic() - began < WAITS / 2, "`bough down` does not wait for it"
            monkeypatch.setattr(maintenance, "LONGEST", 0.1)
            await repository.maintenance.look()
            assert time.monotonic() - began < WAITS / 2, "and it takes no longer than it may"

    run(test())


def test_a_history_that_could_not_start_over_goes_on(
    folder: Path, clock: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> Snapshot:
        raise DiskFull("the disk is full")

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            forgets(alice)
            await works(alice, root)
            repository, session = await alice.session(str(root))
            monkeypatch.setattr(session, "save", fails)
            with pytest.raises(DiskFull):
                await repository.maintenance.look(least=5)
            monkeypatch.undo()
            await session.save()
            assert not started_over(await history(alice, root))

    run(test())


WAITS = 60.0  # seconds


class Waits:
    """A plan that Git takes long for."""

    began = False

    def __call__(self, store: Store, *_: object) -> None:
        self.began = True
        store.git.run("-c", f"alias.waits=!sleep {WAITS}", "waits")
