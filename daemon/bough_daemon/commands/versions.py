"""The versions that a path has had on a live branch, for going back through them one by one.

A version that a command brought and that was left again (a teammate's, by `back`; what `undo` reversed) is skipped, and
after a `restore` the walk continues from where it came from: so a second `restore` goes further back in time, not to
what the first one replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from bough_daemon.git.objects import FOLDER, Objects, TreeEntry
from bough_daemon.git.paths import folders_above
from bough_daemon.history.journal import Hop, Journal, Operation
from bough_daemon.history.timeline import timeline


@dataclass(frozen=True)
class Version:
    """A version of a path, from one snapshot to another. `entry`: None: absent.

    `oid`: the newest of those snapshots, or the commit under the oldest snapshot of a branch; `time`: when that was
    made, in seconds since the epoch. `since`: the oldest of them.
    """

    entry: TreeEntry | None
    oid: str
    time: int
    since: str


class Versions:
    """The versions of paths on a live branch, as seen from one worktree. On one thread.

    `mine`: the tip of the worktree's own branch. `tip`: that of the branch to go back through; `command`: the command
    that does it (`restore`, `restore alice`).
    """

    def __init__(self, objects: Objects, journal: Journal, mine: str, tip: str, command: str) -> None:
        self._objects = objects
        self._seen: dict[tuple[str, str], TreeEntry | None] = {}
        self._mine = mine
        self._tip = tip
        self._command = command
        operations, hop = (
            [one for one in journal.operations() if one.made and objects.exists(one.made)],
            journal.hop(),
        )
        self._left = {one.made: objects.commit(one.made).tree for one in operations if _is_left(one, hop)}
        self._restores = [one for one in operations if one.command == command and one.state == "done"]

    def before(self, path: str, now: TreeEntry | None) -> Version | None:
        """Return the newest existing version of a path that differs from `now` and was not gone back through yet."""
        start = self._reached(path, now) or self._tip
        found = (version for version in self._all(start, path) if version.entry not in (None, now))
        return next(found, None)

    def _reached(self, path: str, now: TreeEntry | None) -> str | None:
        """Return the snapshot that a path was last restored from, None if the path has changed since."""
        origins = {one.made: origin for one in self._restores if (origin := _origin(one.origins, path)) is not None}
        if not origins:
            return None
        for version in self._all(self._mine, path, origins):
            if version.entry != now:
                return None
            if version.since in origins:
                return origins[version.since]
        return None

    def _all(self, start: str, path: str, marks: Mapping[str, str] | None = None) -> Iterator[Version]:
        """Yield every version from a snapshot back, except those that were left again.

        A version found again beyond such a one is the same version. `since` is exact if it is one of `marks`.
        """
        held: Version | None = None
        for version in self._runs(start, path, bool(marks)):
            if held is not None and version.entry == held.entry:
                held = replace(held, since=version.since)
            elif version.since not in self._left:
                if held is not None and held.since not in self._left:
                    yield held
                held = version
        if held is not None and held.since not in self._left:
            yield held

    def _runs(self, start: str, path: str, exactly: bool) -> Iterator[Version]:
        base = None
        for entry, run in groupby(timeline(self._objects, start), lambda one: self._entry(one.tree, path)):
            newest = oldest = next(run)
            if exactly or self._may_be_left(path, entry):
                for oldest in run:  # noqa: B007 - the last one counts
                    pass
            base = oldest.base
            yield Version(entry, newest.oid, newest.time, oldest.oid)
        if base is not None and self._objects.exists(base):
            commit = self._objects.commit(base)
            yield Version(self._entry(commit.tree, path), base, commit.time, base)

    def _entry(self, tree: str, path: str) -> TreeEntry | None:
        """Return the entry at a path below a tree; trees that snapshots share are read once."""
        name, _, below = path.partition("/")
        if not name:
            return TreeEntry(FOLDER, tree)
        if (tree, name) not in self._seen:
            self._seen[tree, name] = self._objects.entry(tree, name)
        entry = self._seen[tree, name]
        if not below or entry is None:
            return entry
        return self._entry(entry.oid, below) if entry.mode == FOLDER else None

    def _may_be_left(self, path: str, entry: TreeEntry | None) -> bool:
        return any(self._entry(tree, path) == entry for tree in self._left.values())


def _is_left(operation: Operation, hop: Hop | None) -> bool:
    """Return whether what a command brought was left again: it was undone, or was a hop that has ended."""
    return operation.state == "undone" or (operation.hop is not None and operation.hop != hop)


def _origin(origins: Mapping[str, str], path: str) -> str | None:
    """Return where a path, or the nearest restored folder around it, came from."""
    return next((origins[above] for above in (path, *folders_above(path), "") if above in origins), None)
