"""A safety net under every merge: find what it would remove although its author never touched that.

What a live branch claims to contain decides what a merge takes for removed. Should a claim be wrong, other people's
lines and files would vanish without a conflict. So the result is checked for lines that Git would keep if the author's
files were one commit on their HEAD, less what the author's own saves and commits removed.
"""

from __future__ import annotations

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.line_counts import Lines, content_at, lines_at, lines_in, merged_cleanly
from bough_daemon.history.taken_away import Side, not_taken_away
from bough_daemon.store.store import Store


def untouched_removals(store: Store, ours: Side, theirs: Side, base_tree: str, result: str) -> list[str]:
    """Return the paths in which a merge removes lines from `ours` that the author of `theirs` never touched, sorted.

    `base_tree`: the tree that the merge used as the common one. `result`: the tree that it made.
    """
    objects = store.objects
    fork = store.merge_base(ours.head, theirs.head)
    began = objects.commit(fork).tree if fork is not None else objects.write_tree({})
    if began == base_tree:
        return []
    claimed = {path for path, _, _ in objects.difference(began, base_tree)}
    our_tree, their_tree = objects.commit(ours.tip).tree, objects.commit(theirs.tip).tree
    changed = list(objects.difference(our_tree, result))
    moved = sum((lines_at(objects, after) for _, before, after in changed if before is None), Lines())
    lost: dict[str, Lines] = {}
    for path, before, after in changed:
        if path in claimed and before is not None:
            sides = objects.entry(began, path), before, objects.entry(their_tree, path)
            lost[path] = _lost(objects, sides, after) - moved
    return sorted(not_taken_away(store, theirs, ours, [fork] if fork is not None else [], lost))


def _lost(
    objects: Objects, sides: tuple[TreeEntry | None, TreeEntry, TreeEntry | None], after: TreeEntry | None
) -> Lines:
    """Return the lines of ours that Git would have kept and the result lacks; `sides`: base, ours, theirs."""
    base, ours, theirs = (content_at(objects, side) for side in sides)
    kept = lines_at(objects, sides[1])
    if sides[0] == sides[1]:
        return Lines()  # only they changed it
    if sides[0] is not None and sides[2] is not None and sides[0] != sides[2]:
        merged = merged_cleanly(base, ours, theirs)
        if merged is not None:
            kept &= lines_in(merged)
    return kept - lines_at(objects, after) - (lines_in(base) - lines_in(theirs))
