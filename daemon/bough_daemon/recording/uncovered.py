"""Files uncovered by weakened ignore rules: they stay out of the snapshots until the user releases them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.reflog import HeadReader
from bough_daemon.git.rules import IndexReader
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.branches import Branch
from bough_daemon.history.journal import Journal
from bough_daemon.privacy.former_rules import FormerRules, IsOwn
from bough_daemon.system.moments import age_of
from bough_daemon.system.text import shell_word

GIT = "a Git command"
LONGEST_CHECKOUT = 600.0  # seconds; an older lock of the index was left by a Git that was killed


class Uncovered:
    """The files of one working tree that only former ignore rules keep here. On the store's thread only.

    `reasons`: by path; a folder represents all its files if the tree has none of them.
    """

    def __init__(self, worktree: Worktree, branch: Branch, index: IndexReader, head_reader: HeadReader) -> None:
        store = branch.store
        self.reasons: dict[str, str] = {}
        self._worktree = worktree
        self._branch = branch
        self._index = index
        self._head_reader = head_reader
        self._objects = store.objects
        self._former = FormerRules(
            worktree, store.objects, os.path.join(store.folder, "rules", worktree.key), store.folder
        )
        self._journal = Journal.of(store.folder, worktree)
        self._paths: set[str] = set()
        self._seen: object = None  # the index when a tree was last recorded
        self._noted: object = None  # the index when a tree was last noted
        self._let_go: object = None  # the same, when releases were last checked

    def note_command(self, before: str, after: str, event: str) -> None:
        """Record the changes of rules files from one tree to another, which a command has made."""
        self._former.note(before, after, f"`bough {event}`")

    def note(self, tree: str) -> IsOwn:
        """Record the changes of rules files up to `tree`, which is about to be recorded.

        Return how to tell which of them are the user's own.
        """
        tip, is_own = self._branch.tip, self._whose()
        if tip is not None and tip.tree != tree:
            self._former.note(tip.tree, tree, GIT, is_own)
        self._noted = self._index.version
        return is_own

    def recorded(self) -> None:
        """Note that the tree of the last `note` was recorded."""
        self._seen = self._noted

    def _whose(self) -> IsOwn:
        """Return how to tell whether the user has edited a rules file since what was recorded last."""
        if age_of(self._index.path + ".lock") < LONGEST_CHECKOUT:
            return lambda path, entry: False  # Git is writing files, and has not written the index yet
        if self._index.version != self._seen or self._journal_is_open():
            return self._is_own
        return lambda path, entry: True

    def _journal_is_open(self) -> bool:
        return self._journal.interrupted() is not None

    def _is_own(self, path: str, entry: TreeEntry | None) -> bool:
        """Return whether the user edited a rules file: Git did not put it there so, or they committed it."""
        tip = self._branch.tip
        if tip is None or self._journal_is_open():
            return False
        staged = self._index.entry(path)
        if staged != ((entry.mode, entry.oid) if entry is not None else None):
            return True
        return self._head_reader.only_committed(tip.base)

    def let_go(self) -> set[str]:
        """Return the files that Git has begun to track or the user has allowed since they were found."""
        now = self._index.version, self._branch.store.allowed.paths
        if not self._paths or now == self._let_go:
            return set()
        self._let_go = now
        tracked = self._index.tracked_at(self._paths)
        gone = {path for path in self._paths if path in tracked or path in self._branch.store.allowed}
        self._paths -= gone
        return gone

    def without(self, base: str, tree: str, looked_at: Collection[str] | None, waiting: Iterable[str]) -> str:
        """Return `tree` without the files that the former rules keep here.

        `base`: HEAD's tree. `looked_at`: the examined paths, None for all. `waiting`: paths that are not in the tree
        yet, and that only a change of rules uncovered.
        """
        tip = self._branch.tip
        self._paths = {path for path in self._paths if looked_at is not None and not _is_at(path, looked_at)}
        if not self._former or tip is None:
            self._paths, self.reasons = set(), {}
            return tree
        added = {path for path, was, now in self._objects.difference(tip.tree, tree) if was is None and now is not None}
        new = {path for path in {*added, *waiting} if self._objects.entry(base, path) is None}
        covered = self._former.covers(new)
        tracked = self._index.tracked_at(covered) if covered else frozenset()
        kept = {path for path in covered - tracked if path not in self._branch.store.allowed}
        self._paths |= kept
        made = self._objects.splice(tree, dict.fromkeys(kept & added)) if kept & added else tree
        self.reasons = self._told(made)
        return made

    def holds(self, path: str) -> bool:
        """Return whether a path is withheld."""
        return path in self._paths

    def _told(self, tree: str) -> dict[str, str]:
        """Return the reasons, with one for each folder of which the tree has nothing."""
        counts: dict[str, int] = {}
        for path in self._paths:
            at = self._topmost(tree, path)
            counts[at] = counts.get(at, 0) + 1
        return {at: self._reason(at, count, is_file=at in self._paths) for at, count in counts.items()}

    def _topmost(self, tree: str, path: str) -> str:
        parts = path.split("/")
        for count in range(1, len(parts)):
            folder = "/".join(parts[:count])
            if self._objects.entry(tree, folder) is None:
                return folder
        return path

    def _reason(self, path: str, count: int, *, is_file: bool) -> str:
        number = "" if is_file else f"{count:,} files, " if count > 1 else "1 file, "
        return f"{number}{self._former.reason(path)}; `git add` or `bough allow {shell_word(path)}` shares it"


def _is_at(path: str, places: Collection[str]) -> bool:
    while path:
        if path in places:
            return True
        path = path.rpartition("/")[0]
    return False
