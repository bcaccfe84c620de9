"""Record one live working tree: from file events to snapshots on its live branch."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from bough_daemon.errors import (
    BoughError,
    DaemonFailed,
    DiskFull,
    GitFailed,
    GitTooOld,
    NoCommitYet,
    RecordingStopped,
    StoreGone,
)
from bough_daemon.faults import fault_of, obstacle_to, watch_limit
from bough_daemon.git import refs
from bough_daemon.git.command import git_version
from bough_daemon.git.reflog import HeadReader
from bough_daemon.git.worktree import Head, Worktree
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import Snapshot
from bough_daemon.recording.burst import Burst
from bough_daemon.recording.events import EventCollector
from bough_daemon.recording.settled_tree import SettledTree
from bough_daemon.recording.settling import PATIENCE, ExactSave, SettlePatience, Unsettled
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.recording.watcher import FolderWatch
from bough_daemon.store.gathering import tidy
from bough_daemon.store.own_commits import OwnCommits
from bough_daemon.store.store import Store
from bough_daemon.system.at_work import Work, seconds_since
from bough_daemon.system.environment import configures
from bough_daemon.system.failing import Failing
from bough_daemon.system.moments import age_of
from bough_daemon.system.opened import Opened, held
from bough_daemon.system.supervisor import Pause, Supervisor
from bough_daemon.system.threads import StoreThread, to_the_end

log = logging.getLogger(__name__)

MARKER_PATIENCE = 5.0  # seconds after which a marker counts as lost
GIT_PATIENCE = 1.0  # seconds to wait for a git command that is changing files and index
GIT_STEP = 0.01  # seconds between checks whether it has ended
GIT_SETTLE = 0.02  # seconds after the index was written in which Git may still move HEAD
HEAD_TRIES = 5  # for one snapshot while HEAD keeps moving
RECONCILE_EVERY = 600.0  # seconds between scans that find what no event reported
FULL_PAUSE = 5.0  # seconds at most between attempts after a full disk: nothing reports free space
TIDY_EVERY = 100  # snapshots between counts of loose objects
LIMITED_EVERY = 2.0  # the same if the kernel does not watch every folder
STOP_PATIENCE = 3.0  # seconds for running work to finish; then its git children are killed
NAMES_MARGIN = 0.1  # seconds beyond the patience for one name that an exact snapshot waits for names


@dataclass
class Reading:
    """A large file that is being read, and since when (seconds since the epoch)."""

    task: asyncio.Task[None]
    since: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Unchecked:
    """A commit that HEAD has moved to, with others that must be checked first; and what is known of commits."""

    commit: str
    known: OwnCommits


class Recorder:
    """Record one working tree; created by `open`.

    `on_snapshot` is called on the event loop with each new tip, from a save or a command; `on_gone` when the working
    tree was removed or moved. `failure`: why the last snapshot could not be taken, or None.
    """

    def __init__(
        self,
        worktree: Worktree,
        store: Store,
        owner: StoreThread,
        branch: Branch,
        on_snapshot: Callable[[Recorder, Snapshot], None],
        on_gone: Callable[[], None],
        patience: SettlePatience = PATIENCE,
    ) -> None:
        self.worktree = worktree
        self.store = store
        self.owner = owner
        self.branch = branch
        self.unsettled = Unsettled(patience)
        self.snapshots = TreeBuilder(worktree, store, self.unsettled.holds)
        self._head_reader = HeadReader(worktree)
        self._settled_tree = SettledTree(self.snapshots, self.unsettled, branch, self._head_reader)
        self.failure: BoughError | None = None
        self.head: Head = self._read_head()
        self._on_snapshot = on_snapshot
        self._on_gone = on_gone
        self._covered = frozenset[str]()  # the covered files that are watched
        self._burst = Burst()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._commands = asyncio.Lock()
        self.at_work: Work | None = None
        self._marks: dict[str, asyncio.Future[None]] = {}
        self._pending = EventCollector(lost=True)
        self._announced: Snapshot | None = None
        self._arrived: str | None = None
        self._arrivals: asyncio.Queue[str] = asyncio.Queue()
        self._retry: asyncio.TimerHandle | None = None
        self._impatience: asyncio.TimerHandle | None = None
        self._retry_at = 0.0  # monotonic
        self._retry_pause = retry_pause()
        self._taken = 0
        self._stopped = False
        self._reader = StoreThread("large files")
        self._reading: dict[str, Reading] = {}
        self._background = Supervisor()
        loop = asyncio.get_running_loop()
        markers = os.path.join(store.folder, "markers", os.path.basename(worktree.git_dir))

        def notify() -> None:
            loop.call_soon_threadsafe(self._on_events)

        self._watch = FolderWatch(worktree, markers, self._left_out, notify, patience)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        worktree: Worktree,
        store: Store,
        owner: StoreThread,
        branch: Branch,
        on_snapshot: Callable[[Recorder, Snapshot], None],
        on_gone: Callable[[], None],
        patience: SettlePatience = PATIENCE,
        *,
        before: Callable[[Recorder], None] | None = None,
    ) -> AsyncIterator[Recorder]:
        """Record a working tree until the end of the block, starting with a snapshot.

        `before` runs before that, on the store's thread.
        """
        async with Opened() as opened:
            recorder = cls(worktree, store, owner, branch, on_snapshot, on_gone, patience)
            opened.push_async_callback(recorder._end_children)
            if before is not None:
                await owner.run(before, recorder)
            await owner.run(recorder.snapshots.index.changed)
            watch = recorder._watch
            watching = held(asyncio.to_thread(watch.start), lambda _: asyncio.to_thread(watch.stop))
            await opened.enter_async_context(watching)
            opened.push_async_callback(recorder._stop)
            await recorder._snapshot()
            recorder._background.keep("recording", recorder._run)
            recorder._background.keep("looking for changes without an event", recorder._reconcile)
            recorder._background.keep("copying the objects of commits", recorder._arrive)
            yield recorder

    async def _stop(self) -> None:
        """Finish what is being recorded, unless that takes long, and start nothing more."""
        self._stopped = True
        self._hurry()
        await self._background.close()
        self._call_off_retry()
        async with self._turn:
            pass

    async def _end_children(self) -> None:
        impatience = self._hurry()
        try:
            await self.owner.run(self.snapshots.close)
            await self._reader.run(self.snapshots.large.close)
        finally:
            self._reader.close()
            impatience.cancel()

    def _hurry(self) -> asyncio.TimerHandle:
        """Kill git children that block the end for longer than STOP_PATIENCE."""
        if self._impatience is None:
            self._impatience = asyncio.get_running_loop().call_later(STOP_PATIENCE, self.worktree.children.end)
        return self._impatience

    def withheld(self) -> dict[str, str]:
        """Return the paths that are not recorded, or not shared, with the reason. On the store's thread."""
        not_yet = self.unsettled.written() | self.reading()
        left_out = self._settled_tree.uncovered() | self._settled_tree.purged()
        return not_yet | self.branch.withheld | left_out | self.snapshots.withheld()

    def held_up(self) -> str:
        """Return the git child that recording waits for, with its duration; empty if there is none."""
        waited = self.worktree.children.waited()
        return waited.in_words() if waited is not None and self.owner.busy_since is not None else ""

    async def save(self) -> Snapshot:
        """Return a snapshot of whatever was on disk when this was called.

        It waits a moment for the names of new files to last. A file that is still being written is recorded as it is,
        but not shared yet.
        """
        self.store.check_there()
        if self._watch.limited or not await self._events_are_gathered():
            self._pending.lost = True
        while await self._wait_for_git():
            pass
        exact = ExactSave(self.unsettled.patience.name + NAMES_MARGIN)
        while True:
            tip = await self._snapshot(exact)
            due = self.unsettled.names_due(exact.until)
            if self._reading and not exact.at_once:
                await asyncio.wait({reading.task for reading in self._reading.values()})
                exact.at_once = True  # for what has changed meanwhile
            elif due is None:
                return tip
            else:
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _events_are_gathered(self) -> bool:
        """Wait for the events up to now; return False if no marker can be sent through the queue of events."""
        loop = asyncio.get_running_loop()
        passed: asyncio.Future[None] = loop.create_future()
        try:
            mark = self._watch.mark()
        except OSError:
            return False
        self._marks[mark] = passed
        self._on_events()
        try:
            async with asyncio.timeout(MARKER_PATIENCE):
                await passed
        except TimeoutError:
            return False
        finally:
            self._marks.pop(mark, None)
        return True

    @asynccontextmanager
    async def acting(self, work: Work) -> AsyncIterator[None]:
        """Let one command at a time change the files."""
        async with self._commands:
            work.began = True
            self.at_work = work
            try:
                yield
            finally:
                self.at_work = None
                self.announce()

    @asynccontextmanager
    async def without_commands(self) -> AsyncIterator[None]:
        """Keep commands from changing the files; wait for a running one."""
        async with self._commands:
            yield

    @property
    def is_acting(self) -> bool:
        """Return whether a command is changing the files right now."""
        return self.at_work is not None

    def announce(self) -> None:
        """Announce the branch's tip unless that has been done."""
        tip = self.branch.tip
        if tip is not None and tip is not self._announced:
            self._announced = tip
            self._on_snapshot(self, tip)

    def trouble(self) -> BoughError | None:
        """Return what keeps recording from being complete."""
        if self.failure is None and self._watch.limited:
            return watch_limit("not every folder can be watched")
        return self.failure or obstacle_to(self.store.folder)

    def state(self) -> str:
        """Return `live`, or the trouble."""
        trouble = self.trouble()
        if trouble is None:
            return "live"
        if self.failure is None and self._watch.limited:
            return f"live, but checked only every few seconds: {trouble.message}"
        return f"not recording: {trouble.message}{self._next_try()}"

    def _next_try(self) -> str:
        """Return, for messages, when a snapshot is tried again; empty if none is due. From any thread."""
        left = self._retry_at - time.monotonic()
        return f"; next try in {math.ceil(left)} s" if left > 0 else ""

    def failing(self) -> list[Failing]:
        """Return the failures of the background work here, latest first."""
        return self._background.failing()

    async def take_along(self, environment: Mapping[str, str]) -> bool:
        """Run git and its filters here with the environment of the user's terminal; return whether it is new.

        What could not be read before may be readable now. An environment without a usable git is ignored.
        """
        before = self.worktree.user.variables
        if environment == before:
            return False
        try:
            await asyncio.to_thread(git_version, environment.get("PATH"))
        except (GitTooOld, OSError) as failure:
            log.info("the environment of a command in %s is not taken: %s", self.worktree.root, failure)
            return False
        self.worktree.user.variables = dict(environment)
        self._pending.rules |= configures(before) != configures(environment)
        await self.owner.run(self.snapshots.restart)
        if self.snapshots.unreadable:
            with suppress(BoughError):
                await self._snapshot(ExactSave(patience=0.0))
        return True

    def _left_out(self, folders: list[str]) -> list[bool]:
        """Return for each folder whether it is skipped: Git ignores it all, or it is another repository.

        Called from the watcher's thread too.
        """
        ignored = self.snapshots.ignores.ignored(folders)
        return [
            (out and not self.snapshots.records_below(folder)) or self.snapshots.is_link(folder)
            for folder, out in zip(folders, ignored, strict=True)
        ]

    def _on_events(self) -> None:
        for mark in self._watch.passed():
            waiting = self._marks.get(mark)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        self._wake.set()

    async def _run(self) -> None:
        """Take a snapshot whenever a flurry of events is over or a path has waited long enough.

        Also when a failed one is due again.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._due() - time.monotonic()):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._watch_again()
                await self._settle()
                if self._pending or self._due() <= time.monotonic():
                    await self._snapshot_or_note()
            except BaseException:
                # For the next start: what was recorded may not have been announced yet.
                self._pending.lost = True
                self._wake.set()
                raise

    async def _watch_again(self) -> None:
        """Restart the watcher after its thread has failed; a full look finds what happened meanwhile."""
        if self._watch.failure is not None:
            self._background.note("watching files", self._watch.failure)
            await to_the_end(asyncio.to_thread(self._watch.restart))
            self._pending.lost = True

    def _due(self) -> float:
        return min(self._watch.due(), self._settled_tree.due)

    async def _snapshot_or_note(self) -> None:
        """Take a snapshot; a failure that is noted and will be retried is not raised."""
        try:
            await self._snapshot()
        except BoughError as failure:
            if failure is not self.failure and not self.is_gone():
                raise

    async def _settle(self) -> None:
        first = time.monotonic()
        while True:
            last, events = self._watch.seen()
            if not events:
                return
            wait = self._burst.due(first, last, events) - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            elif not await self._wait_for_git():
                return

    async def _wait_for_git(self) -> bool:
        """Wait a step if a git command is changing files, and return whether one is."""
        at_work = self._git_at_work()
        if at_work:
            await asyncio.sleep(GIT_STEP)
        return at_work

    def _git_at_work(self) -> bool:
        """Return whether a git command holds the index, or has just written it and moves HEAD next.

        Its result is one state; its intermediate states are not. A lock older than GIT_PATIENCE does not count.
        """
        index = os.path.join(self.worktree.git_dir, "index")
        return age_of(index + ".lock") < GIT_PATIENCE or age_of(index) < GIT_SETTLE

    async def _reconcile(self) -> None:
        """Check everything periodically, because some writes send no event."""
        while True:
            await asyncio.sleep(LIMITED_EVERY if self._watch.limited else RECONCILE_EVERY)
            self._pending.lost = True
            await self._snapshot_or_note()

    def reading(self) -> dict[str, str]:
        """Return the large files that are being read, with what is recorded until then. From any thread."""
        return {
            path: f"large; being read for {seconds} s now, the previous version is kept until then"
            for path, seconds in self.reading_seconds().items()
        }

    def reading_seconds(self) -> dict[str, int]:
        """Return the large files that are being read, and for how many seconds. From any thread."""
        return {path: seconds_since(reading.since) for path, reading in self._reading.copy().items()}

    def _begin_reading(self) -> None:
        for path in self.snapshots.large.take_wanted() - self._reading.keys():
            self._reading[path] = Reading(self._background.begin("reading a large file", partial(self._read, path)))

    async def _read(self, path: str) -> None:
        """Read a large file, and check it again."""
        try:
            await self._reader.run(self.snapshots.large.read, path)
        finally:
            del self._reading[path]
            self._pending.paths.add(path)
            self._wake.set()

    async def _snapshot(self, exact: ExactSave | None = None) -> Snapshot:
        """Take a snapshot of what changed and return the tip; after a failure the next one checks everything.

        `exact`: make it exact, including nested repositories, which send no events, and what is not settled, except
        names that will have lasted by then.
        """
        async with self._turn:
            if self._stopped:
                raise RecordingStopped("recording was stopped or restarted meanwhile")
            self.snapshots.at_once = exact is not None and exact.at_once
            changes = self._merge_pending(self._watch.take())
            if self.snapshots.at_once:
                changes.paths |= self._reading.keys()  # their events were taken by another snapshot
            try:
                tip = await self._look(changes, exact)
            except BaseException as failure:
                self._pending = EventCollector(lost=True, rules=changes.rules)
                self.unsettled.forget()
                noted = self._note(failure)
                if noted is failure:
                    raise
                raise noted from None  # its message is complete
            self._begin_reading()
            self.failure = None
            self._call_off_retry()
            self._retry_pause = retry_pause()
            self._wake.set()  # to wait for what is not settled
        self.announce()
        if tip.base != self._arrived:
            self._arrived = tip.base
            self._arrivals.put_nowait(tip.base)
        self._taken += 1
        if self._taken % TIDY_EVERY == 0:
            self._background.begin("packing the store", partial(tidy, self.store, self.owner))
        return tip

    async def _look(self, changes: EventCollector, exact: ExactSave | None) -> Snapshot:
        links, covered = self.snapshots.linked(), frozenset(self.snapshots.covered.paths)
        if changes.rules:
            await self.owner.run(self.snapshots.forget_rules)
        if changes.rules or changes.lost or covered != self._covered:
            await asyncio.to_thread(self._watch.rescan)
            self._covered = covered
        tip = await self._checked(changes, exact)
        if links - self.snapshots.linked():
            await asyncio.to_thread(self._watch.rescan)  # former nested repositories are watched from now on
        return tip

    async def _checked(self, changes: EventCollector, exact: ExactSave | None) -> Snapshot:
        """Take a snapshot after all commits that HEAD has brought were checked, where no other save waits for it."""
        checked: OwnCommits | None = None
        for _ in range(HEAD_TRIES):
            found = await self.owner.run(self._take, changes, exact, checked, waits=True)
            if isinstance(found, Snapshot):
                return found
            look = partial(OwnCommits.looked_through, self.store, found.commit, found.known)
            checked = await to_the_end(asyncio.to_thread(look))
        found = await self.owner.run(self._take, changes, exact, checked, waits=False)
        assert isinstance(found, Snapshot)
        return found

    def _merge_pending(self, taken: EventCollector) -> EventCollector:
        taken.lost |= self._pending.lost
        taken.rules |= self._pending.rules
        taken.paths |= self._pending.paths
        self._pending = EventCollector()
        return taken

    def is_gone(self) -> bool:
        """Return whether the working tree was removed or moved."""
        return not os.path.isdir(self.worktree.git_dir) or not os.path.isdir(self.worktree.root)

    def _note(self, failure: BaseException) -> BaseException:
        """Record a failure, schedule a retry, and return the error; None for a mere cancellation."""
        if not isinstance(failure, Exception):
            return failure
        if self.is_gone():
            log.info("%s is gone", self.worktree.root)
            self._on_gone()
            return self._meaning_of(failure)
        noted = self._meaning_of(failure)
        if self.failure is None or self.failure.message != noted.message:
            told = failure if isinstance(noted, DaemonFailed) else None
            log.error("no snapshot of %s: %s", self.worktree.root, noted.message, exc_info=told)
        self.failure = noted
        self._call_off_retry()
        wait = self._retry_pause.after(0.0)
        if isinstance(noted, DiskFull):
            wait = min(wait, FULL_PAUSE)
        self._retry_at = time.monotonic() + wait
        self._retry = asyncio.get_running_loop().call_later(wait, self._wake.set)
        return noted

    def _meaning_of(self, failure: Exception) -> BoughError:
        """Return the error for a failure: if the store is gone, that is the cause of any failure."""
        try:
            self.store.check_there()
        except StoreGone as gone:
            return gone
        return fault_of(failure)

    def _call_off_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _take(
        self, changes: EventCollector, exact: ExactSave | None, checked: OwnCommits | None, *, waits: bool
    ) -> Snapshot | Unchecked:
        """Make the tree and record it, with the same HEAD before and after. On the store's thread.

        `checked`: what is known of commits by now. `waits`: if more must be checked, return that instead.
        """
        self.store.check_there()
        if checked is not None:
            self.branch.learn(checked)
        for _ in range(HEAD_TRIES):
            self.head, operation = self._read_head(), refs.operation(self.worktree) or ""
            known = self.branch.unchecked(self.head.commit) if waits else None
            if known is not None:
                return Unchecked(self.head.commit, known)
            tree = self._settled_tree.take(self.head.commit, changes, self._watch, exact)
            if (self._read_head(), refs.operation(self.worktree) or "") == (self.head, operation):
                break
            changes.lost = True  # what this look settled, and took from the index, is on no snapshot
        reader, on_branch = self._head_reader, self.head.branch is not None
        tip = self.branch.save(
            *(tree, self.head.commit, operation, reader.left_by_rewriting),
            discarded=reader.has_discarded(),
            on_branch=on_branch,
            index_written=reader.has_written_index(),
        )
        self._settled_tree.recorded()
        return tip

    def is_git_at_work(self) -> bool:
        """Return whether a git command is changing files and index now. From any thread."""
        return self._git_at_work()

    def head_now(self) -> Head:
        """Return where HEAD is. On the store's thread."""
        return self._read_head()

    def unconverted(self, contents: Mapping[str, Iterable[bytes]]) -> frozenset[str]:
        """Return those paths whose bytes equal their blobs under the attributes here, for each of these contents.

        On the store's thread.
        """
        return self.snapshots.unconverted(contents)

    def _read_head(self) -> Head:
        """Return HEAD; on a branch without a commit, the one that replaces it in the store."""
        try:
            return self._head_reader.read()
        except NoCommitYet:
            if self.branch.tip is None:
                raise
            return Head(self._head_reader.branch(), self.store.no_commit())

    async def _arrive(self) -> None:
        """Copy what each commit that HEAD arrives at brought; one whose objects Git cannot read stays borrowed."""
        while True:
            commit = await self._arrivals.get()
            try:
                await asyncio.to_thread(self.store.arrive, commit)
            except GitFailed:
                raise
            except BaseException:
                self._arrivals.put_nowait(commit)  # for the next start
                raise


def retry_pause() -> Pause:
    """Return the pause before a failed snapshot is retried: its cause may vanish without an event."""
    return Pause(shortest=1.0, longest=60.0)
