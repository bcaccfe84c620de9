"""The tree that both sides of a merge began with.

Git finds it by what the branches claim. One thing they cannot claim by path: work that a member had in their files, and
gave up there (stashed, reset, checked out) without moving HEAD, while the other side has committed or landed it, or
wrote it themselves. It is not removed there: for such a path the merge begins where the HEADs parted. Nor is what they
committed and then undid in the files alone: `undone` says where the merge begins for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.line_counts import keeps_nothing, lines_at
from bough_daemon.history.own_steps import own_steps
from bough_daemon.history.timeline import Snapshot, chain, merged_tips
from bough_daemon.history.undone import Began, before_undo
from bough_daemon.store.store import Store

REMEMBERED = 2000  # snapshots of a chain in which the merge base is looked for


@dataclass(frozen=True)
class Heads:
    """The commits that HEAD was at on both sides of a merge; of a Git branch, the commit itself."""

    ours: str
    theirs: str


@dataclass(frozen=True)
class MergeBase:
    """The common origin of two sides. `commits`: the merge bases. `tree`: the one's, or a merge of the first two."""

    commits: tuple[str, ...]
    tree: str


def merge_base(git: GitCommand, ours: str, theirs: str) -> MergeBase:
    """Return where two commits began, as Git finds it."""
    bases = git.run("merge-base", "--all", ours, theirs).decode().split()
    if len(bases) == 1:
        return MergeBase(tuple(bases), git.line("rev-parse", f"{bases[0]}^{{tree}}"))
    merged = git.run("merge-tree", "--write-tree", *bases[:2], allowed=(0, 1)).decode()
    return MergeBase(tuple(bases), merged.split("\n", 1)[0])


def without_given_up(store: Store, base: MergeBase, ours: str, theirs: str, heads: Heads) -> str:
    """Return the tree of a merge base, with what a side gave up and the other made its own as before the HEADs parted.

    `ours`, `theirs`: commits, whose chains tell what was given up where they are snapshots.
    """
    objects = store.objects
    fork = store.merge_base(heads.ours, heads.theirs)
    if fork is None:
        return base.tree
    began = objects.commit(fork).tree
    paths = {path for path, _, _ in objects.difference(began, base.tree)}
    gone: set[str] = set()
    for tip, other, head in ((ours, theirs, heads.theirs), (theirs, ours, heads.ours)):
        committed = objects.commit(head).tree
        for path in _given_up(objects, tip, base, began, paths - gone):
            has_committed = objects.entry(committed, path) != objects.entry(began, path)
            if has_committed or _wrote(store, other, path, objects.entry(base.tree, path)):
                gone.add(path)
    begins = {path: objects.entry(began, path) for path in gone}
    for tip, other in ((ours, theirs), (theirs, ours)):
        begins |= before_undo(store, Began(base.commits, base.tree, began), tip, other)
    return objects.splice(base.tree, begins) if begins else base.tree


def _wrote(store: Store, tip: str, path: str, entry: TreeEntry | None) -> bool:
    """Return whether the member whose tip this is wrote some of the lines that an entry has at a path."""
    objects = store.objects
    lines = lines_at(objects, entry)
    for step in own_steps(store, tip):
        before, after = objects.entry(step.before, path), objects.entry(step.after, path)
        if before != after and (lines_at(objects, after) - lines_at(objects, before)) & lines:
            return True
    return False


def _given_up(objects: Objects, tip: str, base: MergeBase, began: str, paths: Collection[str]) -> set[str]:
    """Return the paths of which a side has nothing left that came since `began` and that the merge base has.

    Not where it was moved to another path, where the side never had it, as its merge kept something else, or where HEAD
    itself has had some of it: that was committed, and so it was taken away by a commit. None where the merge base is no
    snapshot of that side, or of a branch that it merged.
    """

    def keeps(tree: str, path: str) -> bool:
        return not keeps_nothing(objects, *(objects.entry(of, path) for of in (began, base.tree, tree)))

    now = objects.commit(tip).tree
    doubtful = {path for path in paths if not keeps(now, path)}
    if doubtful:
        added = {new for _, old, new in objects.difference(base.tree, now) if old is None}
        doubtful = {path for path in doubtful if objects.entry(base.tree, path) not in added}
        had = [snapshot.tree for snapshot in _since(objects, tip, base)] if doubtful else []
        doubtful = {path for path in doubtful if any(keeps(tree, path) for tree in had)}
    chains = (_heads_since(objects, one, base) for one in (merged_tips(objects, tip) if doubtful else ()))
    heads = next(filter(None, chains), None)  # of several, the newest tells what became of it
    if heads is None:
        return set()
    return {path for path in doubtful if not any(keeps(at_head, path) for at_head in heads)}


def _heads_since(objects: Objects, tip: str, base: MergeBase) -> set[str]:
    """Return the trees that HEAD had in a chain since a merge base; none where it is not in that chain."""
    snapshots = list(_since(objects, tip, base))
    reached = bool(snapshots) and snapshots[-1].is_among(base.commits)
    return {objects.commit(snapshot.base).tree for snapshot in snapshots} if reached else set()


def _since(objects: Objects, tip: str, base: MergeBase) -> Iterator[Snapshot]:
    """Yield the snapshots of a chain as far as a merge base, newest first."""
    for snapshot in islice(chain(objects, tip), REMEMBERED):
        yield snapshot
        if snapshot.is_among(base.commits):
            return
