"""Read a repository for the completion process: texts of trees, and of recent commits.

All of it runs on a separate thread with its own objects, so that no snapshot waits for it.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import TypeVar

import pygit2

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import EXECUTABLE, FILE, Commit, Objects, TreeEntry
from bough_daemon.privacy.private_names import is_secret

T = TypeVar("T")

FILE_LIMIT_BYTES = 300_000  # a longer file is data, or generated
SLICE_BYTES, SLICE_FILES = 200_000, 32  # what is read at a time: a few milliseconds
RECENT_COMMITS = 20
RECENT_LIMIT_BYTES = 1_000_000  # limit for what the recent commits added, together
VISITED_COMMITS = 200  # of which most may be merges
REOPEN_SECONDS = 30.0  # after which the databases are opened again: until then packs that are gone stay open
COMMIT_FILES = 64  # a commit that changes more files is not handwritten

Change = tuple[str, TreeEntry | None]


class Reader:
    """Read the objects of one store for completion. On the reader's thread only.

    Files that are named like secrets are never read.
    """

    def __init__(self, folder: str) -> None:
        self._objects = Objects(folder)
        self._opened = time.monotonic()

    def newest(self, base: str, tip: str) -> str:
        """Return a file that the member has changed since a commit, or that the newest commits changed; or empty."""
        changed = next((path for path, now in self.differing(base, tip).items() if now is not None), "")
        return changed or next((path.partition("/")[2] for path in self.recent(base)), "")

    def nearest(self, old: str | None, new: str, near: str) -> list[Change]:
        """Return the files that differ between two trees, those closest to `near` first."""
        changes = self._fresh(lambda: [(path, now) for path, _, now in self._objects.difference(old, new)])
        return sorted(changes, key=lambda one: distance(one[0], near))

    def differing(self, base: str, tip: str) -> dict[str, TreeEntry | None]:
        """Return the files in which a commit differs from another one, by path."""
        objects = self._objects
        return self._fresh(
            lambda: {
                path: now
                for path, _, now in objects.difference(objects.commit(base).tree, objects.commit(tip).tree)
                if not is_secret(path)
            }
        )

    def texts(self, changes: Sequence[Change], start: int) -> tuple[list[tuple[str, str | None]], int]:
        """Return a slice of texts from `start` on, and where the next one starts.

        None means files that are gone, are not text worth learning, or must not be learned.
        """
        found, size, at = list[tuple[str, str | None]](), 0, start
        for path, entry in changes[start : start + SLICE_FILES]:
            text = self.text(path, entry)
            found.append((path, text))
            at += 1
            size += len(text or "")
            if size > SLICE_BYTES:
                break
        return found, at

    def text(self, path: str, entry: TreeEntry | None) -> str | None:
        """Return the text of a file, or None if there is nothing to learn from it."""
        if entry is None or entry.mode not in (FILE, EXECUTABLE) or is_secret(path):
            return None
        try:
            return self._fresh(lambda: self._text(entry.oid))
        except StoreDamaged:
            return None  # thinned out meanwhile

    def _text(self, oid: str) -> str | None:
        if self._objects.size(oid) > FILE_LIMIT_BYTES:
            return None
        data = self._objects.blob(oid)
        return data.decode(errors="replace") if b"\0" not in data else None

    def recent(self, commit: str) -> dict[str, str]:
        """Return what the newest commits up to `commit` added, by commit and path, newest first."""
        found, room = dict[str, str](), RECENT_LIMIT_BYTES
        for one in self._fresh(lambda: list(self._written(commit))):
            for path, text in self._added(one):
                if room <= 0:
                    return found
                found[f"{one.oid}/{path}"] = text
                room -= len(text)
        return found

    def committed(self, commit: str, paths: set[str]) -> dict[str, str | None]:
        """Return the texts of the files that a commit changed, only those in `paths` unless it has the empty path."""
        objects = self._objects

        def look() -> list[Change]:
            one = objects.commit(commit)
            before = objects.commit(one.parents[0]).tree if one.parents else None
            return [(path, now) for path, _, now in objects.difference(before, one.tree)]

        changed = [change for change in self._fresh(look) if "" in paths or as_text(change[0]) in paths]
        return {as_text(path): self.text(path, entry) for path, entry in changed[:COMMIT_FILES]}

    def between(self, old: str, new: str) -> list[str]:
        """Return the commits that lead from `old` to `new`, oldest first; none for a switch.

        A commit that replaces `old`, with the same parents, counts as one.
        """

        def look() -> list[str]:
            at, found, parents = new, list[str](), self._objects.commit(old).parents
            while at != old and len(found) < RECENT_COMMITS:
                found.append(at)
                above = self._objects.commit(at).parents
                if above == parents or not above:
                    return found[::-1] if above == parents else []
                at = above[0]
            return found[::-1] if at == old else []

        return self._fresh(look)

    def _written(self, commit: str) -> Iterator[Commit]:
        """Yield the newest commits that are not merges."""
        start = self._objects.commit(commit)
        waiting, seen, left = [(-start.time, start.oid)], {start.oid}, RECENT_COMMITS
        for _ in range(VISITED_COMMITS):
            if not waiting or not left:
                return
            one = self._objects.commit(heapq.heappop(waiting)[1])
            if len(one.parents) == 1:
                left -= 1
                yield one
            for parent in one.parents:
                if parent not in seen and self._objects.exists(parent):  # a shallow clone ends somewhere
                    seen.add(parent)
                    heapq.heappush(waiting, (-self._objects.commit(parent).time, parent))

    def _added(self, commit: Commit) -> Iterator[tuple[str, str]]:
        """Yield each path that a commit changed, with the lines that it added there."""
        objects = self._objects
        if not objects.exists(commit.parents[0]):
            return
        changes = list(objects.difference(objects.commit(commit.parents[0]).tree, commit.tree))
        for path, before, after in changes if len(changes) <= COMMIT_FILES else ():
            new = self.text(path, after)
            if new is not None:
                added = _added_lines(self.text(path, before) or "", new)
                if added:
                    yield path, added

    def _fresh(self, look: Callable[[], T]) -> T:
        """Retry with the databases reopened if an object is missing: it may have been packed meanwhile."""
        if time.monotonic() - self._opened >= REOPEN_SECONDS:
            self._reopen()
        try:
            return look()
        except StoreDamaged:
            self._reopen()
            return look()

    def _reopen(self) -> None:
        self._objects.refresh()
        self._opened = time.monotonic()


def distance(path: str, near: str) -> tuple[bool, int, str]:
    """Return how unlike one file is to another: by its suffix, then by the folders that they share."""
    pairs = zip(path.split("/")[:-1], near.split("/")[:-1], strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return os.path.splitext(path)[1] != os.path.splitext(near)[1], -shared, path


def as_text(path: str) -> str:
    """Return a path as text that can be sent: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def _added_lines(old: str, new: str) -> str:
    """Return the lines of `new` that are not in `old`, with an empty line between those that are not adjacent."""
    before, after = old.encode(), new.encode()  # the patch points into them without keeping them alive
    patch = pygit2.Patch.create_from(before, after, context_lines=0)
    hunks = ["".join(line.content for line in hunk.lines if line.origin == "+") for hunk in patch.hunks]
    return "\n".join(hunk for hunk in hunks if hunk)
