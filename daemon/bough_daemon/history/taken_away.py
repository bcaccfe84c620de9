"""What a side of a merge removed itself: the saves and commits in its history that removed lines.

A side that lacks a line has not necessarily removed it. A command may have restored its files (an undo), HEAD may have
moved elsewhere, or its member may have discarded there (stash, reset, checkout) what came from others. So a line counts
as removed only if a step that removed it is found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

from bough_daemon.git.objects import TreeEntry
from bough_daemon.history.line_counts import Lines, lines_at
from bough_daemon.history.replacements import knowing
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.store.store import Store
from bough_daemon.store.walks import LONGEST_SECONDS

REMEMBERED = 2000  # commits in which a step of the member's own is searched
OWN = frozenset({"save", "restore"})  # events after which a difference is the member's own change
BEGINNING = frozenset({"hop", "agent"})  # first words of events by which a branch continues another one


@dataclass(frozen=True)
class Side:
    """One side of a merge. `tip`, `head`: its commit, and the one that HEAD was at."""

    tip: str
    head: str


@dataclass(frozen=True)
class _OwnStep:
    """An author's own changes between two snapshots: the trees before and after, and those of HEAD's commits.

    `newer`: the snapshot that ended it. `committed`: HEAD moved to a commit based on, or replacing, the previous one.
    """

    newer: Snapshot
    before: str
    after: str
    head_before: str
    head_after: str
    committed: bool = False


def not_taken_away(
    store: Store, side: Side, other: Side, bases: Collection[str], lacking: Mapping[str, Lines]
) -> dict[str, Lines]:
    """Return those of the lines that a side lacks that nothing in its history since `bases` removed, by path.

    What its member wrote and discarded counts as removed too, unless the other side has committed it.
    """
    left = {path: Lines(lines) for path, lines in lacking.items() if lines}
    ends: dict[str, None] = {}  # Git commits that it contains
    for oid in _since(store, side.tip, bases) if left else ():
        snapshot = read_snapshot(store.objects, oid)
        if snapshot is None:
            ends |= {oid: None} if oid == side.tip else {}
            continue
        ends |= dict.fromkeys(_brought_commits(store, snapshot))
        step = _own_step(store, snapshot)
        if step is not None:
            _explain_step(store, step, other, left)
        if not left:
            return left
    for end in ends:
        _explain_commits(store, end, other.tip, left)
    return left


def _since(store: Store, tip: str, bases: Collection[str]) -> Iterator[str]:
    """Yield the commits of a history that its merge bases do not contain, newest first, and the folded ones."""
    snapshot = read_snapshot(store.objects, tip)
    folded = snapshot.company.folded.values() if snapshot is not None else ()
    tips = [tip, *filter(store.objects.exists, folded)]
    asked = ("rev-list", f"--max-count={REMEMBERED}", "--topo-order", *tips, "--not", *bases)
    yield from filter(store.objects.exists, knowing(store.git).run(*asked).decode().split())


def _brought_commits(store: Store, snapshot: Snapshot) -> Iterator[str]:
    """Yield the Git commits that came with a snapshot: merged, landed, or the start of its history."""
    goes_on = False
    for parent in snapshot.parents:
        if store.objects.exists(parent):
            is_snapshot = read_snapshot(store.objects, parent) is not None
            goes_on |= is_snapshot
            if not is_snapshot and not (goes_on and parent == snapshot.base and snapshot.event in OWN):
                yield parent


def _own_step(store: Store, newer: Snapshot) -> _OwnStep | None:
    """Return the author's own save behind a snapshot, with a commit or an amend, if there was one.

    None if a command made the snapshot, or HEAD moved in another way.
    """
    if newer.event not in OWN:
        return None
    objects = store.objects
    head = objects.commit(newer.base)
    first = newer.parents[0] if newer.parents else None
    older = read_snapshot(objects, first) if first is not None and objects.exists(first) else None
    if older is None:
        return _OwnStep(newer, head.tree, newer.tree, head.tree, head.tree)
    if older.base == newer.base:
        return _OwnStep(newer, older.tree, newer.tree, head.tree, head.tree)
    old = objects.commit(older.base)
    instead = old.parents == head.parents
    if instead or store.is_ancestor(older.base, newer.base):
        committed = instead or head.parents[:1] == (older.base,)
        return _OwnStep(newer, older.tree, newer.tree, old.tree, head.tree, committed)
    return None


def _explain_step(store: Store, step: _OwnStep, other: Side, left: dict[str, Lines]) -> None:
    """Remove from `left` what a step removed."""
    objects = store.objects
    for path, was, now in objects.difference(step.before, step.after):
        # A file that does not exist under this name yet, or no longer, had another one then.
        names = [name for name in left if name == path or objects.entry(step.before, name) is None]
        gone = lines_at(objects, was) - lines_at(objects, now) if names else Lines()
        given = _given_up(store, step, path, now, gone) & sum((left[name] for name in names), Lines())
        gone -= given
        if given:
            gone |= _written(store, step.newer.oid, path, given) - _kept(store, other, path, given)
        for name in names if gone else ():
            _explain(left, name, gone)


def _given_up(store: Store, step: _OwnStep, path: str, now: TreeEntry | None, gone: Lines) -> Lines:
    """Return those of the lines a step discarded from a file: gone without a commit, as HEAD does not have them.

    The file is as in HEAD; or Git has discarded edits in that step, and the file may have been edited again since.
    """
    objects = store.objects
    before, after = (objects.entry(head, path) for head in (step.head_before, step.head_after))
    if step.newer.discarded:
        return gone - (lines_at(objects, before) | lines_at(objects, after))
    by_commit = step.committed and before != after
    return gone if now == after and not by_commit else Lines()


def _kept(store: Store, side: Side, path: str, lines: Lines) -> Lines:
    """Return those of some lines that a side has committed, or that its member wrote."""
    objects = store.objects
    return lines_at(objects, objects.entry(objects.commit(side.head).tree, path)) | _written(
        store, side.tip, path, lines
    )


def _written(store: Store, tip: str, path: str, lines: Lines) -> Lines:
    """Return those of some lines that the member of a live branch wrote: they first appeared by a save."""
    objects = store.objects
    own = Lines()
    for newer, older in pairwise([*islice(timeline(objects, tip), REMEMBERED), None]):
        assert newer is not None
        before = older.tree if older is not None else objects.commit(newer.base).tree
        was, now = objects.entry(before, path), objects.entry(newer.tree, path)
        if was != now:
            came = (lines_at(objects, now) - lines_at(objects, was)) & lines
            own = own - came if _own_step(store, newer) is None else own | came
        for one in _others(newer, older) if own else ():
            if objects.exists(one):
                own -= lines_at(objects, objects.entry(objects.commit(one).tree, path))
        if _begins(newer) and older is not None and older.oid in newer.parents:
            break
    return own


def _begins(snapshot: Snapshot) -> bool:
    """Return whether a branch continues another one from a snapshot on."""
    return snapshot.event.partition(" ")[0] in BEGINNING


def _others(newer: Snapshot, older: Snapshot | None) -> set[str]:
    """Return the commits that came with a snapshot besides the previous one, `older`, and HEAD's."""
    its_own = {older.oid, newer.base} if older is not None and not _begins(newer) else set[str]()
    return {*newer.brought, *newer.parents} - its_own


def _explain_commits(store: Store, end: str, other: str, left: dict[str, Lines]) -> None:
    """Remove from `left` what commits up to `end` removed since those that the other side also has."""
    objects = store.objects
    if not left:
        return
    found = store.git.run("merge-base", "--all", other, end, allowed=(0, 1), seconds=LONGEST_SECONDS)
    for common in found.decode().split():
        for path, was, now in objects.difference(objects.commit(common).tree, objects.commit(end).tree):
            if path in left:
                _explain(left, path, lines_at(objects, was) - lines_at(objects, now))


def _explain(left: dict[str, Lines], path: str, gone: Lines) -> None:
    left[path] -= gone
    if not left[path]:
        del left[path]
