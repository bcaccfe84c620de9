"""What the shared branch does not have yet of each branch, for the status: commits and files.

No network is used: the shared branch is where it was at the last fetch. Git is asked only after something has moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pygit2

from bough_daemon.api.records import WouldLand
from bough_daemon.commands.shared_branch import Target, newest
from bough_daemon.git.index import unmerged_paths, written_at
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.refs import commit_of, short
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.history.line_counts import text_at
from bough_daemon.store.store import Store
from bough_daemon.team.branch_state import TeamLanding
from bough_daemon.transaction.context import LiveWorktree

MOST_FILES = 100  # files whose lines are counted
MOST_NAMED = 500  # files that are reported
MOST_KNOWN = 1000  # pairs of trees, and of contents, that are remembered


@dataclass(frozen=True)
class SharedBranch:
    """The shared branch as known here: its name, its remote (empty: only the team shares it), and its commit."""

    name: str
    remote: str
    commit: str


class Unlanded:
    """Compare the branches of one repository with the shared branch. On the store's thread only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._targets: dict[str, tuple[object, Target | None, str | None]] = {}  # by working tree
        self._unmerged: dict[str, tuple[object, int]] = {}
        self._told: dict[tuple[str, str, str], WouldLand | None] = {}
        self._lines: dict[tuple[str | None, str | None], tuple[int, int]] = {}

    def shared(self, live: LiveWorktree, landed: Iterable[TeamLanding]) -> SharedBranch | None:
        """Return the shared branch; None if it is not known here. `landed`: what members landed."""
        root = live.worktree.root
        seen, target, commit = self._targets.get(root, (None, None, None))
        if seen is None or seen != self._signature(live, target):
            target = Target.known(live)
            seen = self._signature(live, target)  # before the commit is read: later moves are noticed next time
            commit = commit_of(live.worktree, _tracked(target)) if target is not None else None
            self._targets[root] = seen, target, commit
        if target is None:
            return None
        here = [commit] if commit is not None else []
        if target.remote is None:
            told = (one.commit for one in landed if one.branch == target.name)
            here = newest(self._store, [*here, *(oid for oid in told if self._store.objects.exists(oid))])
        return SharedBranch(target.name, target.remote or "", here[0]) if here else None

    def _signature(self, live: LiveWorktree, target: Target | None) -> tuple[object, ...]:
        """Return a value that changes with each commit, fetch or change of settings."""
        names = ["config", "packed-refs", "refs/heads", "refs/remotes", "reftable/tables.list"]
        if target is not None:
            names += [_tracked(target), os.path.dirname(_tracked(target))]
        paths = [os.path.join(self._store.common_dir, name) for name in names]
        return tuple(map(_stat, [os.path.join(live.worktree.root, SETTINGS), *paths]))

    def behind(self, base: str, shared: SharedBranch) -> int:
        """Return how many commits the shared branch has that a commit does not contain."""
        apart = self._store.apart(base, shared.commit)
        return apart[1] if apart is not None else 0

    def would_land(self, base: str, tree: str, shared: SharedBranch, *, lines: bool = False) -> WouldLand | None:
        """Return what a state, files on top of a commit, has that the shared branch does not have.

        `lines`: count them too. None: the two have no common commit, or not all of it is here.
        """
        key = base, tree, shared.commit
        if key not in self._told:
            if len(self._told) >= MOST_KNOWN:
                self._told.clear()
            self._told[key] = self._compared(*key)
        found = self._told[key]
        return self._with_lines(found, base, tree, shared) if found is not None and lines else found

    def _compared(self, base: str, tree: str, shared: str) -> WouldLand | None:
        store, apart = self._store, self._store.apart(base, shared)
        since = self._since(base, shared)
        if apart is None or since is None:
            return None
        files, more = store.objects.some_difference(store.objects.commit(since).tree, tree, MOST_NAMED)
        return WouldLand(apart[0], files, more)

    def _since(self, base: str, shared: str) -> str | None:
        apart = self._store.apart(base, shared)
        if apart is None:
            return None
        return base if apart[0] == 0 else shared if apart[1] == 0 else self._store.merge_base(base, shared)

    def _with_lines(self, found: WouldLand, base: str, tree: str, shared: SharedBranch) -> WouldLand:
        since, objects = self._since(base, shared.commit), self._store.objects
        if since is None or found.more_files or len(found.files) > MOST_FILES:
            return found
        before = objects.commit(since).tree
        counts = [self._counted(objects.entry(before, path), objects.entry(tree, path)) for path in found.files]
        added, removed = (sum(one[side] for one in counts) for side in (0, 1))
        return replace(found, added=added, removed=removed)

    def _counted(self, before: TreeEntry | None, now: TreeEntry | None) -> tuple[int, int]:
        """Return how many lines a file gained and lost; none if it is not text."""
        key = (before.oid if before is not None else None, now.oid if now is not None else None)
        if key not in self._lines:
            if len(self._lines) >= MOST_KNOWN:
                self._lines.clear()
            old, new = (text_at(self._store.objects, one) if one is not None else b"" for one in (before, now))
            self._lines[key] = (0, 0)
            if old is not None and new is not None:
                _, added, removed = pygit2.Patch.create_from(old, new).line_stats
                self._lines[key] = added, removed
        return self._lines[key]

    def conflicts(self, live: LiveWorktree) -> int:
        """Return how many paths are unmerged in the user's index."""
        seen, known = written_at(live.worktree), self._unmerged.get(live.worktree.root)
        if known is None or known[0] != seen:
            known = self._unmerged[live.worktree.root] = seen, len(unmerged_paths(live.worktree))
        return known[1]


def _tracked(target: Target) -> str:
    """Return the reference that tracks the shared branch."""
    return f"refs/remotes/{target.remote}/{short(target.theirs)}" if target.remote is not None else target.ref


def _stat(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
