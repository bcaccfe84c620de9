"""What a status says about teammates' branches.

It is found where no save waits for it: their files and histories may have any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.objects import Objects
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline

MOST_FILES = 500  # changed files of one branch in a status: its message has 4 MiB for all branches
MOST_AHEAD = 1000  # snapshots that are counted

Compared = tuple[str, str]
"""A commit, and another one that is based on it."""
ChangedFiles = tuple[list[str], bool]
"""Paths, and whether there are more."""
Merges = tuple[str, frozenset[str]]
"""A teammate's tip, and commits that were merged here."""


@dataclass(frozen=True)
class SeenBranches:
    """What was found. `files`: which ones changed. `since_merge`: by branch, what the function of that name returns."""

    files: Mapping[Compared, ChangedFiles]
    since_merge: Mapping[str, int | None]


def looked_at(
    objects: Objects, pairs: Sequence[Compared], merged: Sequence[Merges]
) -> tuple[dict[Compared, ChangedFiles], dict[Merges, int | None]]:
    """Return what `changed_files` and `since_merge` say, for each that is asked."""
    return changed_files(objects, pairs), {(tip, of): since_merge(objects, tip, of) for tip, of in merged}


def changed_files(objects: Objects, pairs: Sequence[Compared]) -> dict[Compared, ChangedFiles]:
    """Return for pairs of commits the paths in which they differ, and whether there are more than returned."""
    tree = {oid: objects.commit(oid).tree for pair in pairs for oid in pair}
    return {pair: objects.some_difference(tree[pair[0]], tree[pair[1]], MOST_FILES) for pair in pairs}


def merged_of(mine: Snapshot, branch: str) -> frozenset[str]:
    """Return what a snapshot says to contain that may be of a teammate's branch."""
    folded = mine.company.folded.get(branch)
    return frozenset(mine.brought) | ({folded} if folded is not None else set())


def since_merge(objects: Objects, theirs: str, merged: frozenset[str]) -> int | None:
    """Return how many snapshots a teammate's tip is after the newest of those that were merged; None if none was.

    Their history is searched only if one of these is by the same author.
    """
    tip = read_snapshot(objects, theirs)
    here = (read_snapshot(objects, oid) for oid in merged if objects.exists(oid))
    if tip is None or not any(one is not None and one.author == tip.author for one in here):
        return None
    newest = islice(timeline(objects, theirs), MOST_AHEAD)
    return next((number for number, one in enumerate(newest) if one.oid in merged), None)
