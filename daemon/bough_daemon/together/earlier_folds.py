"""Read the recent folds of a branch from its timeline: a daemon that was killed has forgotten them.

Without them, a save that was made from the text before such a fold would remove its lines from everybody's files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.together.stale_saves import REMEMBERED
from bough_daemon.transaction.file_state import is_file

AGAIN = "again"  # in place of a branch: a save that was missing folds was merged with them
MOST_SNAPSHOTS = 300  # that are looked through


@dataclass(frozen=True)
class EarlierFold:
    """A fold as the timeline has it: the snapshots before and after it, and the entries that it made, by path."""

    before: Snapshot
    after: Snapshot
    changes: Mapping[str, TreeEntry]

    @property
    def branch(self) -> str:
        """The folded branch."""
        return self.after.event.partition(" ")[2]


def earlier_folds(objects: Objects, tip: str, now: float) -> tuple[list[EarlierFold], str]:
    """Return the recent folds after which only saves and folds were recorded, oldest first, and the newest snapshot.

    `now`: seconds since the epoch. Left out are files in which a save that was missing folds has been repaired since;
    the newest snapshot of a fold may be one that repaired. Empty: there is none.
    """
    found, repaired, newest = list[EarlierFold](), set[str](), ""
    for after in _saves_and_folds(objects, tip, now):
        before = _before(objects, after) if after.event != "save" else None
        if before is None:
            continue
        newest = newest or after.oid
        changes = dict(_changed_files(objects, before, after, repaired))
        if after.event == f"fold {AGAIN}":
            repaired |= changes.keys()
        else:
            found.append(EarlierFold(before, after, changes))
    return found[::-1], newest


def _saves_and_folds(objects: Objects, tip: str, now: float) -> Iterator[Snapshot]:
    for snapshot in islice(timeline(objects, tip), MOST_SNAPSHOTS):
        if now - snapshot.time >= REMEMBERED or not (snapshot.event == "save" or snapshot.event.startswith("fold ")):
            return
        yield snapshot


def _before(objects: Objects, after: Snapshot) -> Snapshot | None:
    previous = after.previous
    return read_snapshot(objects, previous) if previous is not None and objects.exists(previous) else None


def _changed_files(
    objects: Objects, before: Snapshot, after: Snapshot, but: Collection[str]
) -> Iterator[tuple[str, TreeEntry]]:
    for path, was, now in objects.difference(before.tree, after.tree):
        if was is not None and now is not None and is_file(was) and is_file(now) and path not in but:
            yield path, now
