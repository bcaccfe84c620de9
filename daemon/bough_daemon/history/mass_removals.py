"""Find saves that removed much at once: a `reset --hard`, a `clean -fd`, a script or an agent that went wrong.

What a snapshot recorded can be brought back, but only if its author notices that it is gone. What a commit has is not
gone when HEAD moves elsewhere, and what was moved to another file is not gone at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

from bough_daemon.git.objects import SUBMODULE, Objects, TreeEntry
from bough_daemon.history.line_counts import Lines, lines_at
from bough_daemon.history.timeline import Snapshot, timeline

LEAST_FILES, LEAST_LINES = 5, 100  # removed at once, of which the user is told
SHOWN_SECONDS = 3600  # for which the user is told
AT_ONCE_SECONDS = 5  # between two saves of one and the same removal
LONGEST_SECONDS = 20  # from its first save to its last
MOST_SAVES = 200  # that are looked at
MOST_PATHS = 2000  # of one removal
LEAST_BYTES = 2 * LEAST_LINES  # by which files shrink that lose so many lines


@dataclass(frozen=True)
class MassRemoval:
    """Saves that removed much at once, `at` some time (seconds since the epoch). `before`: the snapshot before them.

    `files`, `lines`: how many are gone. `had`: the entries of the paths that lost something.
    """

    before: str
    at: int
    files: int
    lines: int
    had: Mapping[str, TreeEntry]


class MassRemovals:
    """The latest removal on one branch. What was looked at once is not looked at again."""

    def __init__(self) -> None:
        self._seen = ""
        self._latest: MassRemoval | None = None

    def latest(self, objects: Objects, tip: Snapshot, now: float) -> MassRemoval | None:
        """Return the latest removal that is recent and was not reversed since; None for none."""
        if tip.oid != self._seen:
            found = self._newest(objects, tip, now) or self._latest
            self._latest = found if found is not None and not is_reversed(objects, found, tip.tree) else None
            self._seen = tip.oid
        if self._latest is not None and now - self._latest.at > SHOWN_SECONDS:
            self._latest = None
        return self._latest

    def _newest(self, objects: Objects, tip: Snapshot, now: float) -> MassRemoval | None:
        new = list[Snapshot]()
        for snapshot in islice(timeline(objects, tip.oid), MOST_SAVES):
            new.append(snapshot)
            if snapshot.oid == self._seen or now - snapshot.time > SHOWN_SECONDS:
                break
        found = (removal_in(objects, older, newer) for newer, older in _steps(new))
        return next(filter(None, found), None)


def _steps(newest_first: list[Snapshot]) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Yield (newer, older) for each run of saves in quick succession, newest first; commands are not looked at."""
    newer: Snapshot | None = None
    for one, before in pairwise(newest_first):
        if one.event != "save":
            continue
        newer = newer or one
        soon = one.time - before.time <= AT_ONCE_SECONDS and newer.time - before.time <= LONGEST_SECONDS
        if not (soon and before.event == "save" and before.base == one.base and before is not newest_first[-1]):
            yield newer, before
            newer = None


def removal_in(objects: Objects, older: Snapshot, newer: Snapshot) -> MassRemoval | None:
    """Return what a step between two snapshots removed, if that was much."""
    changed = list(islice(objects.difference(older.tree, newer.tree), MOST_PATHS))
    moved = {now.oid for _, was, now in changed if was is None and now is not None}
    committed = objects.commit(older.base).tree if newer.base != older.base and objects.exists(older.base) else None
    lost = {
        path: (was, now)
        for path, was, now in changed
        if was is not None and was.oid not in moved and (committed is None or objects.entry(committed, path) != was)
    }
    gone = [path for path, (_, now) in lost.items() if now is None]
    shrunk = (max(0, _size(objects, was) - _size(objects, now)) for was, now in lost.values())
    if len(gone) < LEAST_FILES and sum(shrunk) < LEAST_BYTES:
        return None
    less = _lines_lost(objects, lost)
    lines = max(0, less.total() - _lines_added(objects, changed, less).total()) if less else 0
    if len(gone) < LEAST_FILES and lines < LEAST_LINES:
        return None
    return MassRemoval(older.oid, newer.time, len(gone), lines, {path: was for path, (was, _) in lost.items()})


def _lines_lost(objects: Objects, lost: Mapping[str, tuple[TreeEntry, TreeEntry | None]]) -> Lines:
    """Return the lines that some files lost."""
    return sum((lines_at(objects, was) - lines_at(objects, now) for was, now in lost.values()), Lines())


def _lines_added(objects: Objects, changed: list[tuple[str, TreeEntry | None, TreeEntry | None]], lost: Lines) -> Lines:
    """Return the lines that came instead: in the same files, or those very lines in others."""
    added = Lines()
    for _, was, now in changed:
        if now is not None:
            came = lines_at(objects, now) - lines_at(objects, was)
            added += came if was is not None else came & lost
    return added


def _size(objects: Objects, entry: TreeEntry | None) -> int:
    is_file = entry is not None and entry.mode != SUBMODULE and objects.exists(entry.oid)
    return objects.size(entry.oid) if entry is not None and is_file else 0


def is_reversed(objects: Objects, removal: MassRemoval, tree: str) -> bool:
    """Return whether at least half of the files that lost something are in a tree as they were before."""
    back = sum(objects.entry(tree, path) == had for path, had in removal.had.items())
    return 2 * back >= len(removal.had)
