"""What the shared branch does not have yet of each branch, for the status: commits and files.

No network is used: the shared branch is where it was at the last fetch. Git is asked only after something has moved,
outside of the store's thread, and for a short time: what it walks through are histories that teammates made.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pygit2
from msgspec import structs

from bough_daemon.api.records import WouldLand
from bough_daemon.commands.shared_branch import Target
from bough_daemon.errors import BoughError, GitHangs
from bough_daemon.git.index import unmerged_paths
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.git.refs import commit_of, short
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.history.line_counts import text_at
from bough_daemon.store.store import Store
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.threads import to_the_end
from bough_daemon.team.branch_state import TeamLanding
from bough_daemon.transaction.context import LiveWorktree

T = TypeVar("T")

MOST_FILES = 100  # files whose lines are counted
MOST_NAMED = 500  # files that are reported
MOST_KNOWN = 1000  # pairs of trees, and of contents, that are remembered
WALK_SECONDS = 5.0  # that Git may look for one answer
PATIENCE = 4.0  # seconds that a status waits for answers; what comes later is in the next one
AT_ONCE = 2  # members whose branches are compared at once
AGAIN_SECONDS = 600.0  # in which nothing is asked of a member's branch after an answer that took too long


@dataclass(frozen=True)
class SharedBranch:
    """The shared branch as known here: its name, its remote (empty: only the team shares it), and its commit."""

    name: str
    remote: str
    commit: str


@dataclass(frozen=True)
class SharedCandidates:
    """The shared branch, and the commits of which the newest is where it is; `commits` by who says so, here first."""

    name: str
    remote: str
    commits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Comparison:
    """What is to be compared with the shared branch: the live working trees of this member, by their roots.

    `states`: the commit that each is based on, and the files on top of it, as the team sees them.
    """

    candidates: SharedCandidates
    states: dict[str, tuple[str, str]]


class Unlanded:
    """Compare the branches of one repository with the shared branch. On the event loop, where nothing else is said.

    Answers that take longer than a status waits for come by work of `background`.
    """

    def __init__(self, store: Store, background: Supervisor) -> None:
        self._store = store
        self._background = background
        self._targets: dict[str, tuple[object, Target | None, str | None]] = {}  # by working tree
        self._told: dict[tuple[str, ...], Any] = {}
        self._asked: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by member
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._hung: dict[str, float] = {}  # when, by the member whose history was walked through
        self._lines: dict[tuple[str | None, str | None], tuple[int, int]] = {}

    def candidates(self, live: LiveWorktree, landed: Iterable[TeamLanding]) -> SharedCandidates | None:
        """Return where the shared branch may be; None if it is not known here. On the store's thread.

        `landed`: what members landed.
        """
        root = live.worktree.root
        seen, target, commit = self._targets.get(root, (None, None, None))
        if seen is None or seen != self._signature(live, target):
            target = Target.known(live)
            seen = self._signature(live, target)  # before the commit is read: later moves are noticed next time
            commit = commit_of(live.worktree, _tracked(target)) if target is not None else None
            self._targets[root] = seen, target, commit
        if target is None:
            return None
        here = [("", commit)] if commit is not None else []
        if target.remote is None:
            told = ((one.member, one.commit) for one in landed if one.branch == target.name)
            here += [(member, oid) for member, oid in told if self._store.objects.exists(oid)]
        return SharedCandidates(target.name, target.remote or "", tuple(here)) if here else None

    async def shared(self, found: SharedCandidates) -> SharedBranch:
        """Return where the shared branch is: at the first of its candidates that no other one contains."""
        for member, oid in found.commits:
            others = [(by or member, other) for by, other in found.commits if other != oid]
            if not any([await self.contains(by, oid, other) for by, other in others]):
                return SharedBranch(found.name, found.remote, oid)
        return SharedBranch(found.name, found.remote, found.commits[0][1])

    async def contains(self, by: str, older: str, newer: str) -> bool:
        """Return whether a commit of a member's contains another one; False where that is not known (yet)."""
        walks = self._store.walks
        key = "contains", older, newer
        return await self._answer(by, key, lambda: walks.is_ancestor(older, newer, WALK_SECONDS)) or False

    async def _answer(self, by: str, key: tuple[str, ...], work: Callable[[], T]) -> T | None:
        """Return what `work` returns on another thread; None if that fails, or takes too long.

        `by`: the member who made the history that it goes through, empty for this one.
        """
        if key not in self._told and not self._is_suspect(by):
            if key not in self._asked:
                asking = partial(self._ask, by, key, work)
                self._asked[key] = self._background.begin("comparing with the shared branch", asking)
            await asyncio.wait({self._asked[key]}, timeout=PATIENCE)
        known: T | None = self._told.get(key)
        return known

    def _is_suspect(self, by: str) -> bool:
        return bool(by) and time.monotonic() - self._hung.get(by, float("-inf")) < AGAIN_SECONDS

    async def _ask(self, by: str, key: tuple[str, ...], work: Callable[[], object]) -> None:
        try:
            async with self._turns[by], self._at_once:
                if not self._is_suspect(by):
                    self._remember(key, await to_the_end(asyncio.to_thread(work)))
        except GitHangs:
            self._hung[by] = time.monotonic()
            self._remember(key, None)
        except (BoughError, OSError):
            pass  # then it is unknown; all the rest is told
        finally:
            del self._asked[key]

    def _remember(self, key: tuple[str, ...], answer: object) -> None:
        if len(self._told) >= MOST_KNOWN:
            self._told.clear()
        self._told[key] = answer

    def _signature(self, live: LiveWorktree, target: Target | None) -> tuple[object, ...]:
        """Return a value that changes with each commit, fetch or change of settings."""
        names = ["config", "packed-refs", "refs/heads", "refs/remotes", "reftable/tables.list"]
        if target is not None:
            names += [_tracked(target), os.path.dirname(_tracked(target))]
        paths = [os.path.join(self._store.common_dir, name) for name in names]
        return tuple(map(_stat, [os.path.join(live.worktree.root, SETTINGS), *paths]))

    async def behind(self, base: str, shared: SharedBranch) -> int:
        """Return how many commits the shared branch has that a commit of this member's does not contain."""
        walks = self._store.walks

        def behind() -> int:
            apart = walks.apart(base, shared.commit, WALK_SECONDS)
            return apart[1] if apart is not None else 0

        return await self._answer("", ("behind", base, shared.commit), behind) or 0

    async def would_land(
        self, base: str, tree: str, shared: SharedBranch, by: str = "", *, lines: bool = False
    ) -> WouldLand | None:
        """Return what a state, files on top of a commit, has that the shared branch does not have.

        `by`: the member whose state it is, empty for this one. `lines`: count them, too. None: the two have nothing in
        common, not all of it is here, or it is not known yet.
        """
        key = "files and lines" if lines else "files", base, tree, shared.commit
        return await self._answer(by, key, lambda: self._compared(base, tree, shared.commit, lines))

    def _compared(self, base: str, tree: str, shared: str, lines: bool) -> WouldLand | None:
        """Compare a state with the shared branch, with objects of one's own: the store's belong to its thread."""
        objects, apart = Objects(self._store.objects.folder), self._store.walks.apart(base, shared, WALK_SECONDS)
        since = self._since(base, shared)
        if apart is None or since is None:
            return None
        before = objects.commit(since).tree
        files, more = objects.some_difference(before, tree, MOST_NAMED)
        found = WouldLand(apart[0], files, more)
        return self._with_lines(objects, found, before, tree) if lines else found

    def _since(self, base: str, shared: str) -> str | None:
        walks = self._store.walks
        apart = walks.apart(base, shared, WALK_SECONDS)
        if apart is None:
            return None
        return base if apart[0] == 0 else shared if apart[1] == 0 else walks.merge_base(base, shared, WALK_SECONDS)

    def _with_lines(self, objects: Objects, found: WouldLand, before: str, tree: str) -> WouldLand:
        if found.more_files or len(found.files) > MOST_FILES:
            return found
        counts = [
            self._counted(objects, objects.entry(before, path), objects.entry(tree, path)) for path in found.files
        ]
        added, removed = (sum(one[side] for one in counts) for side in (0, 1))
        return structs.replace(found, added=added, removed=removed)

    def _counted(self, objects: Objects, before: TreeEntry | None, now: TreeEntry | None) -> tuple[int, int]:
        """Return how many lines a file gained and lost; none if it is not text."""
        key = (before.oid if before is not None else None, now.oid if now is not None else None)
        if key not in self._lines:
            if len(self._lines) >= MOST_KNOWN:
                self._lines.clear()
            old, new = (text_at(objects, one) if one is not None else b"" for one in (before, now))
            self._lines[key] = (0, 0)
            if old is not None and new is not None:
                _, added, removed = pygit2.Patch.create_from(old, new).line_stats
                self._lines[key] = added, removed
        return self._lines[key]

    def conflicts(self, live: LiveWorktree) -> int:
        """Return how many paths are unmerged in the user's index. On the store's thread."""
        return len(unmerged_paths(live.worktree))


def _tracked(target: Target) -> str:
    """Return the reference that tracks the shared branch."""
    return f"refs/remotes/{target.remote}/{short(target.theirs)}" if target.remote is not None else target.ref


def _stat(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
