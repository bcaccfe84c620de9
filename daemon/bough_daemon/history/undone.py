"""Work that an undo took out of the files after it was committed: what was undone was not removed.

A member merges, commits, and undoes the merge: their files lack what their HEAD has. An edit of their own would remove
it for everyone; an undo only puts their files back. For such a path a merge begins with the snapshot that the undo went
back to, where the other side has that as well, else where the HEADs parted. What both HEADs have is another matter:
there the files say that it goes, to Git as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.line_counts import Lines, lines_at
from bough_daemon.history.timeline import Snapshot, chain, merged_tips, read_snapshot
from bough_daemon.store.store import Store

REMEMBERED = 2000  # snapshots of a chain in which an undo is looked for
UNDOING = frozenset({"undo", "redo"})  # events


@dataclass(frozen=True)
class Began:
    """Where a merge began. `commits`: its merge bases. `tree`: theirs. `fork`: the tree where the HEADs parted."""

    commits: Collection[str]
    tree: str
    fork: str


def before_undo(store: Store, began: Began, tip: str, other: str) -> dict[str, TreeEntry | None]:
    """Return where a merge of `tip` with `other` begins for each path of which an undo reversed the later changes."""
    objects, tree = store.objects, store.objects.commit(tip).tree
    chains = merged_tips(objects, tip) if tree != began.tree else ()
    undos = [undo for one in chains for undo in _undos(store, one, began.commits)]
    missing = _missing(objects, began.tree, tree) if undos else {}
    found: dict[str, TreeEntry | None] = {}
    for undo in undos if missing else ():
        for path, undone in _taken_back(objects, undo).items():
            came = missing.get(path, Lines()) - lines_at(objects, objects.entry(began.fork, path))
            if path not in found and undone & came:
                found[path] = objects.entry(_went_back_to(store, undo, other) or began.fork, path)
    return found


def _missing(objects: Objects, base: str, tree: str) -> dict[str, Lines]:
    """Return the lines of a merge base that a side lacks, by path."""
    return {
        path: lines
        for path, before, after in objects.difference(base, tree)
        if (lines := lines_at(objects, before) - lines_at(objects, after))
    }


def _undos(store: Store, tip: str, bases: Collection[str]) -> Iterator[Snapshot]:
    """Yield the snapshots of a chain that an undo made and that no merge base contains, newest first."""
    for snapshot in islice(chain(store.objects, tip), REMEMBERED):
        if snapshot.is_among(bases):
            return
        if snapshot.event in UNDOING:
            named = {snapshot.oid, snapshot.shared}
            if any(store.is_ancestor(oid, base) for oid in named for base in bases):
                return
            yield snapshot


def _taken_back(objects: Objects, undo: Snapshot) -> dict[str, Lines]:
    """Return the lines that an undo took out of the files, by path.

    Where the files of before did not come here, as the chain does not lead to them, those of HEAD are in their place.
    """
    known = [oid for oid in (undo.previous, undo.base) if oid is not None and objects.exists(oid)]
    return _missing(objects, objects.commit(known[0]).tree, undo.tree) if known else {}


def _went_back_to(store: Store, undo: Snapshot, other: str) -> str | None:
    """Return the tree that an undo went on from, where `other` contains it."""
    first = undo.parents[0] if undo.parents and store.objects.exists(undo.parents[0]) else None
    before = read_snapshot(store.objects, first) if first is not None else None
    known = (
        oid for oid in ((before.oid, before.shared) if before is not None else ()) if store.is_ancestor(oid, other)
    )
    return next((store.objects.commit(oid).tree for oid in known), None)
