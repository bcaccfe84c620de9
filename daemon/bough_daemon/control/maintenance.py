"""Let old snapshots go, as the user has set: plan it now and then, aside, and carry it out when the store is opened."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

from bough_daemon.api.keep_ages import KeepAges, parse_keep
from bough_daemon.api.settings import read_settings
from bough_daemon.errors import BoughError, Stopping
from bough_daemon.home import Home
from bough_daemon.recording.recorder import Recorder
from bough_daemon.retention import thinning
from bough_daemon.retention.starting_over import may_start_over
from bough_daemon.store.store import Store
from bough_daemon.sync.team_sync import TeamSync
from bough_daemon.system.children import GitChildren
from bough_daemon.system.threads import StoreThread, to_the_end

EVERY = 3600.0  # seconds between two looks at what has grown old
QUIET = 60.0  # seconds without a snapshot, before a history starts over
LONGEST = 120.0  # seconds for a step of a look
LEAST = 500  # old snapshots of a branch, before its history starts over
KEEP = "store.keep"

T = TypeVar("T")

log = logging.getLogger(__name__)


def data_folders(home: Home) -> list[str]:
    """Return the folders with the data of teams, in which snapshots are named."""
    clones = home.path("clones")
    roots = [home.root, *(os.path.join(clones, name) for name in (os.listdir(clones) if os.path.isdir(clones) else ()))]
    return [path for path in (os.path.join(root, "teams") for root in roots) if os.path.isdir(path)]


def ages_of(home: Home) -> KeepAges | None:
    """Return up to which age snapshots are kept; None: all are, also if the setting cannot be read."""
    try:
        return parse_keep(read_settings(home).text(KEEP))
    except (BoughError, ValueError):
        return None


def finish_thinning(store: Store, home: Home) -> None:
    """Carry out what was planned before. On the store's thread, when nothing else uses the store."""
    try:
        thinning.finish(store, data_folders(home), ages_of(home))
    except (BoughError, OSError) as failure:  # it is retried at the next start
        log.warning("old snapshots were not removed: %s", failure)


class Maintenance:
    """The upkeep of one repository's store. On the event loop. `sessions`: its live working trees, by folder."""

    def __init__(
        self, home: Home, store: Store, owner: StoreThread, sync: TeamSync, sessions: dict[str, Recorder]
    ) -> None:
        self._home = home
        self._store = store
        self._owner = owner
        self._sync = sync
        self._sessions = sessions

    async def run(self) -> None:
        """Look now and then what has grown old."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self, least: int = LEAST) -> None:
        """Let long histories start over where that changes nothing for anyone, and plan what goes."""
        ages, now = ages_of(self._home), time.time()
        if ages is None:
            await self._owner.run(thinning.give_up, self._store)
            return
        folders = data_folders(self._home)
        try:
            if not self._may_miss_merges(now - ages.milestones):
                for session in list(self._sessions.values()):
                    await self._start_over(session, now - ages.all, least)
            plan = await self._aside(lambda store: thinning.propose(store, folders, ages, now, least))
            if plan is not None:
                async with self._store.gathering:
                    await self._aside(lambda store: thinning.prepare(store, plan))
        except Stopping:
            log.warning("looking for old snapshots took too long; the next look is in %d minutes", EVERY // 60)

    async def _aside(self, work: Callable[[Store], T]) -> T:
        """Return the result of work beside the store's thread; raise Stopping if it takes long, or the daemon ends."""
        children = GitChildren()

        def do() -> T:
            with self._store.beside(children) as store:
                return work(store)

        limit = asyncio.get_running_loop().call_later(LONGEST, children.end)
        try:
            return await to_the_end(asyncio.to_thread(do), children.end)
        finally:
            limit.cancel()

    def _may_miss_merges(self, since: float) -> bool:
        """Return whether a teammate who was there `since` then, and is not now, may have merged what is not known."""
        mates = self._sync.everyone()
        return any(not one.connected and not one.removed_at and max(one.since, one.seen_at) > since for one in mates)

    async def _start_over(self, session: Recorder, before: float, least: int) -> None:
        tip = session.branch.tip
        # A teammate who is merging this branch now takes its tip, which has the same files as the commit.
        if tip is None or session.is_acting or tip.time > time.time() - QUIET:
            return

        def may(store: Store) -> bool:
            return may_start_over(store, session.branch.name, tip, before, least)

        if await self._aside(may):
            try:
                await self._owner.run(session.branch.start_over, tip.oid)
                await session.save()
            finally:
                await self._owner.run(session.branch.start_over, "")
