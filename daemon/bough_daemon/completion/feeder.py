"""Keep the completion process up to date with one live working tree as it changes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from bough_completion.endpoints.client import CompletionClient, Gone
from bough_completion.query import SAVED, BlobKind, Origin
from bough_completion.wire import Blob

from bough_daemon.api.records import Event
from bough_daemon.completion.process import Running
from bough_daemon.completion.text_budget import TextBudget
from bough_daemon.completion.text_reader import SLICE_FILES, Change, Reader, as_text
from bough_daemon.completion.usage import UseLog
from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import TreeEntry
from bough_daemon.history.timeline import Snapshot
from bough_daemon.recording.recorder import Recorder
from bough_daemon.system.threads import StoreThread
from bough_daemon.team.branch_state import KnownBranch

TREE_LIMIT = 8_000_000  # characters of one working tree that the engine learns, nearest to the current file first
TEAMMATE_LIMIT = 1_000_000  # the same for one teammate's live branch
VISITED_FILES = 20_000  # files that are looked at in one pass: beyond them a tree is not searched for more text
CHOOSE_EVERY = 30.0  # seconds between two selections of texts, each of which reads the whole tree
FEW = 64  # changed files that are surely the member's own work, learned even over the limit


class LiveRepository(Protocol):
    """A live repository, as far as completion needs it."""

    def subscribe(self) -> AbstractContextManager[asyncio.Queue[Event]]:
        """Yield a queue of its events until the end of the block."""

    def teammates(self) -> list[KnownBranch]:
        """Return the live branches of teammates."""


@dataclass
class _Fed:
    """The texts that one run of the process was fed.

    `whole`: everything in the tree that can be learned. `near`: the file whose surroundings came first, chosen at
    `chosen`.
    """

    generation: int
    tree: str | None = None
    near: str = ""
    whole: bool = True
    chosen: float = 0.0
    base: str = ""
    held: TextBudget = field(default_factory=lambda: TextBudget(TREE_LIMIT))
    recent: set[str] = field(default_factory=set)
    tips: dict[str, str] = field(default_factory=dict)
    teammates: dict[str, TextBudget] = field(default_factory=dict)


class Feeder:
    """Feed one live working tree: its files, what its newest commits added, and what teammates have changed.

    `running` returns the process, or None while it is not wanted. Files are read on `owner`'s thread.
    """

    def __init__(
        self,
        repository: LiveRepository,
        session: Recorder,
        owner: StoreThread,
        running: Callable[[], Running | None],
        use: UseLog,
    ) -> None:
        self.session = session
        self.name = as_text(session.worktree.root)
        self._repository = repository
        self._owner = owner
        self._reader: Reader | None = None
        self._running = running
        self._use = use
        self._focus = ""
        self._later: asyncio.TimerHandle | None = None
        self._fed = _Fed(0)
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Feed whatever is new, forever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._work())

    def wake(self) -> None:
        """Look for what is new."""
        self._wake.set()

    def focus(self, path: str) -> None:
        """Learn the files near `path` first if not all fit."""
        self._focus = path
        self.wake()

    async def caught_up(self) -> None:
        """Wait until everything that exists now has been fed."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.wake()
        await waiting

    async def forget(self) -> None:
        """Withdraw everything that the process was fed."""
        running = self._running()
        if running is None or running.generation != self._fed.generation:
            return
        fed, self._fed = self._fed, _Fed(0)
        gone = [(path, SAVED) for path in fed.held] + [(path, Origin(BlobKind.COMMIT)) for path in fed.recent]
        gone += [(path, Origin(BlobKind.LIVE, name)) for name, held in fed.teammates.items() for path in held]
        with suppress(Gone):
            await running.client.feed(self.name, _stream(Blob(as_text(path), None, origin) for path, origin in gone))

    async def _listen(self) -> None:
        with self._repository.subscribe() as events:
            while True:
                await events.get()
                self.wake()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._catch_up()
            except Gone:
                pass  # the process has died; its successor is fed from the start
            except BaseException:
                self._wake.set()  # what is not learned yet waits for the next start
                raise
            finally:
                for one in waiting:
                    if not one.done():
                        one.set_result(None)

    async def _catch_up(self) -> None:
        tip = self.session.branch.tip
        if tip is None:
            return
        if self._reader is None:
            self._reader = await self._owner.run(Reader, self.session.store.objects.folder)
        await self._settle(self._reader, tip.base)
        running = self._running()
        if running is None:
            return
        if self._fed.generation != running.generation:
            self._fed = _Fed(running.generation)
        await self._feed_tree(running.client, self._reader, tip)
        await self._feed_recent(running.client, self._reader, tip.base)
        await self._feed_teammates(running.client, self._reader)

    async def _settle(self, reader: Reader, base: str) -> None:
        """Record how much of the accepted suggestions new commits have kept."""
        before, awaited = self._use.moved(self.name, base), self._use.awaited(self.name)
        if before in ("", base) or not awaited:
            return
        with suppress(StoreDamaged):  # the commits in between no longer exist
            for commit in await self._owner.run(reader.between, before, base):
                self._use.settle(self.name, await self._owner.run(reader.committed, commit, awaited))

    async def _feed_tree(self, client: CompletionClient, reader: Reader, tip: Snapshot) -> None:
        fed = self._fed
        if fed.tree is None or self._is_due_elsewhere():
            fed.chosen = asyncio.get_running_loop().time()
            fed.near = self._focus or await self._owner.run(reader.newest, tip.base, tip.oid)
            changes = await self._owner.run(reader.nearest, None, tip.tree, fed.near)
            await client.feed(self.name, self._filled(reader, changes))
        elif fed.tree != tip.tree:
            changes = await self._owner.run(reader.nearest, fed.tree, tip.tree, self._focus or fed.near)
            await client.feed(self.name, self._updated(reader, changes))
        fed.tree = tip.tree

    def _is_due_elsewhere(self) -> bool:
        """Return whether work has moved far from the chosen texts, and the last selection is a while ago."""
        fed = self._fed
        if fed.whole or not self._focus or not _is_far(self._focus, fed.near):
            return False
        wait = fed.chosen + CHOOSE_EVERY - asyncio.get_running_loop().time()
        if wait > 0 and self._later is None:
            self._later = asyncio.get_running_loop().call_later(wait, self._look_again)
        return wait <= 0

    def _look_again(self) -> None:
        self._later = None
        self.wake()

    async def _filled(self, reader: Reader, changes: list[Change]) -> AsyncIterator[Blob]:
        """Yield the nearest texts of a whole tree, as many as fit, and withdraw the others."""
        fed, before = self._fed, self._fed.held
        held = fed.held = TextBudget(TREE_LIMIT)
        unread = list[Change]()
        for path, entry in changes[:VISITED_FILES]:
            if held.room <= 0:
                break
            assert entry is not None
            if before.has(path, entry.oid):
                held.take(path, entry.oid, before.size(path))
                continue
            unread.append((path, entry))
            if len(unread) == SLICE_FILES:
                async for blob in self._texts(reader, held, unread, SAVED):
                    yield blob
                unread = []
        async for blob in self._texts(reader, held, unread, SAVED):
            yield blob
        fed.whole = held.room > 0 and len(changes) <= VISITED_FILES
        for path in before:
            if path not in held:
                yield Blob(as_text(path), None)

    async def _updated(self, reader: Reader, changes: list[Change]) -> AsyncIterator[Blob]:
        """Yield the texts that have changed, and withdraw the farthest ones if they do not fit."""
        held = self._fed.held
        is_own = len(changes) <= FEW
        wanted = [(path, entry) for path, entry in changes if is_own or path in held or self._fed.whole]
        async for blob in self._texts(reader, held, wanted[:VISITED_FILES], SAVED, squeeze=True):
            yield blob
        gone = held.excess()
        self._fed.whole &= not gone and len(wanted) <= VISITED_FILES
        for path in gone:
            yield Blob(as_text(path), None)

    async def _feed_recent(self, client: CompletionClient, reader: Reader, base: str) -> None:
        fed = self._fed
        if fed.base == base:
            return
        recent = await self._owner.run(reader.recent, base)
        gone, new = fed.recent - recent.keys(), recent.keys() - fed.recent
        origin = Origin(BlobKind.COMMIT)
        await client.feed(self.name, _stream(Blob(as_text(path), recent.get(path), origin) for path in (*gone, *new)))
        fed.recent, fed.base = set(recent), base

    async def _feed_teammates(self, client: CompletionClient, reader: Reader) -> None:
        fed = self._fed
        there = {one.branch: one for one in self._repository.teammates() if one.tip and one.base}
        for name in fed.teammates.keys() - there.keys():
            gone = _stream(Blob(as_text(path), None, Origin(BlobKind.LIVE, name)) for path in fed.teammates.pop(name))
            await client.feed(self.name, gone)
            del fed.tips[name]
        for name, one in there.items():
            if fed.tips.get(name) == one.tip or one.tip is None or one.base is None:
                continue
            fed.tips[name] = one.tip
            held = fed.teammates.setdefault(name, TextBudget(TEAMMATE_LIMIT))
            try:
                changes = await self._owner.run(reader.differing, one.base, one.tip)
            except StoreDamaged:
                continue  # thinned out meanwhile: a newer one will follow
            await client.feed(self.name, self._of_teammate(reader, held, changes, Origin(BlobKind.LIVE, name)))

    async def _of_teammate(
        self, reader: Reader, held: TextBudget, changes: dict[str, TreeEntry | None], origin: Origin
    ) -> AsyncIterator[Blob]:
        """Yield what a teammate has changed, and withdraw what no longer differs."""
        for path in held:
            if changes.get(path) is None and held.drop(path):
                yield Blob(as_text(path), None, origin)
        new = [(path, now) for path, now in sorted(changes.items()) if now is not None and not held.has(path, now.oid)]
        async for blob in self._texts(reader, held, new[:VISITED_FILES], origin):
            yield blob

    async def _texts(
        self, reader: Reader, held: TextBudget, changes: Sequence[Change], origin: Origin, squeeze: bool = False
    ) -> AsyncIterator[Blob]:
        """Yield the texts of files while they fit, or with `squeeze` even then; withdraw the others."""
        at = 0
        while at < len(changes) and (squeeze or held.room > 0):
            found, end = await self._owner.run(reader.texts, changes, at)
            for (path, text), (_, entry) in zip(found, changes[at:end], strict=True):
                if text is None or entry is None:
                    if held.drop(path):
                        yield Blob(as_text(path), None, origin)
                elif squeeze or len(text) <= held.room:
                    held.take(path, entry.oid, len(text), first=squeeze)
                    yield Blob(as_text(path), text, origin)
            at = end


async def _stream(blobs: Iterable[Blob]) -> AsyncIterator[Blob]:
    for blob in blobs:
        yield blob


def _is_far(path: str, near: str) -> bool:
    """Return whether work at `path` needs other texts than work at `near`."""
    return os.path.splitext(path)[1] != os.path.splitext(near)[1] or path.split("/")[:2] != near.split("/")[:2]
