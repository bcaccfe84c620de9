"""Recorded files that ignore rules cover which their user did not write: they stay in the snapshots.

A merge, a hop, a fold or `git pull` may bring ignore rules that cover files which are recorded and not tracked. If the
next snapshot left them out, the branch would claim that its user removed them, and a merge of it would take them from
everybody else. Files that the user's own rules cover are never among them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.filters import ignored_by
from bough_daemon.git.objects import FILE
from bough_daemon.git.paths import folders_above
from bough_daemon.git.rule_files import IGNORE, is_ignore_file
from bough_daemon.git.rules import IndexReader
from bough_daemon.git.worktree import Worktree
from bough_daemon.privacy.former_rules import MOST_BYTES, IsOwn
from bough_daemon.store.store import Store
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

FOLDER = "covered"


@dataclass(frozen=True)
class CoveredList:
    """The list on disk. `made`: when the working tree was made: one of the same name may replace it."""

    made: str
    paths: tuple[str, ...]


class CoveredFiles:
    """The covered files of one working tree. On the store's thread only; `paths` and `below` from any thread."""

    def __init__(self, worktree: Worktree, store: Store) -> None:
        self._path = os.path.join(store.folder, FOLDER, worktree.record_name)
        self._worktree = worktree
        self._objects = store.objects
        self._folder = store.folder
        self._made = _made(worktree)
        self._above: frozenset[str] = frozenset()
        self.paths: frozenset[str] = frozenset()
        self._index: object = None  # its version, when it was last asked what it tracks
        self._adopt(self._read())

    def below(self, folder: str) -> bool:
        """Return whether an ignored folder has such files."""
        return folder in self._above

    def note_command(self, head: str, before: str, after: str) -> None:
        """Find what the rules that a command has brought cover: it made the tree `after` of `before`.

        `head`: HEAD's tree. A path stays on the list while the files are another branch's.
        """
        changes = list(self._objects.difference(before, after))
        if any(is_ignore_file(path) for path, _, _ in changes):
            self._keep(self.paths | self._newly_covered(self._untracked(head, after), before, after))

    def note_brought(self, head: str, before: str, tree: str, is_own: IsOwn) -> frozenset[str]:
        """Find what rules cover that Git has brought since the tree `before`; return those files that `tree` lacks.

        `head`: HEAD's tree. `tree`: what is about to be recorded.
        """
        changes = list(self._objects.difference(before, tree))
        if not any(is_ignore_file(path) and not is_own(path, now) for path, _, now in changes):
            return frozenset()
        there = {path for path in self._untracked(head, before) if os.path.lexists(f"{self._worktree.root}/{path}")}
        covered = self._newly_covered(there, before, tree)
        self._keep(self.paths | covered)
        return frozenset(path for path in covered if self._objects.entry(tree, path) is None)

    def drop_own(self, before: str, tree: str, is_own: IsOwn) -> frozenset[str]:
        """Drop, and return, what the user's own rules cover by now: those outside of the files, and lines added."""
        if not self.paths:
            return frozenset()
        added: dict[str, bytes] = {}
        for path, _, now in self._objects.difference(before, tree):
            if is_ignore_file(path) and now is not None and is_own(path, now):
                old = self._lines(before, path)
                added[path.rpartition("/")[0]] = b"\n".join(one for one in self._lines(tree, path) if one not in old)
        gone = ignored_by(self._worktree, added, self.paths, self._folder)
        self._keep(self.paths - gone)
        return gone

    def drop_tracked(self, index: IndexReader) -> None:
        """Drop what Git tracks by now: no rule leaves it out."""
        if self.paths and index.version != self._index:
            self._index = index.version
            self._keep(self.paths - index.tracked_at(self.paths))

    def _untracked(self, head: str, tree: str) -> set[str]:
        """Return the files of a tree that HEAD's does not have, and that are not on the list."""
        changes = self._objects.difference(head, tree)
        return {path for path, was, now in changes if was is None and now is not None} - self.paths

    def _newly_covered(self, paths: Collection[str], before: str, after: str) -> frozenset[str]:
        """Return those of some paths that the rules in a tree ignore, and those in the tree before it did not."""
        covered = self._covered(after, paths)
        return covered - self._covered(before, covered)

    def _covered(self, tree: str, paths: Collection[str]) -> frozenset[str]:
        """Return those of some paths that the rules in a tree, and the user's own, ignore."""
        folders = {folder for path in paths for folder in ("", *folders_above(path))}
        rules = {folder: self._lines(tree, f"{folder}/{IGNORE}" if folder else IGNORE) for folder in folders}
        written = {folder: b"\n".join(lines) for folder, lines in rules.items() if lines}
        return ignored_by(self._worktree, written, paths, self._folder)

    def _lines(self, tree: str, path: str) -> tuple[bytes, ...]:
        """Return the lines of a rules file in a tree; none if there is no such file."""
        entry = self._objects.entry(tree, path)
        if entry is None or entry.mode & FILE != FILE or self._objects.size(entry.oid) > MOST_BYTES:
            return ()
        return tuple(self._objects.blob(entry.oid).split(b"\n"))

    def _keep(self, paths: Iterable[str]) -> None:
        kept = frozenset(paths)
        if kept != self.paths:
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(self._path), mode=0o700)  # in a store that is there
            write_whole(self._path, as_json(CoveredList(self._made, tuple(sorted(kept)))))
            self._adopt(kept)

    def _adopt(self, paths: frozenset[str]) -> None:
        self._above = frozenset(folder for path in paths for folder in folders_above(path))
        self.paths = paths
        self._index = None

    def _read(self) -> frozenset[str]:
        try:
            found = read_record(self._path, CoveredList)
        except FileNotFoundError:
            return frozenset()
        except StoreDamaged as damage:
            raise StoreDamaged(
                f"{self._path} is damaged; remove it, and add the files that others' ignore rules cover to Git",
                path=self._path,
            ) from damage
        return frozenset(found.paths) if found.made == self._made else frozenset()


def _made(worktree: Worktree) -> str:
    """Return when a linked working tree was made; empty for the main one."""
    try:
        return str(os.stat(os.path.join(worktree.git_dir, "commondir")).st_mtime_ns)
    except FileNotFoundError:
        return ""
