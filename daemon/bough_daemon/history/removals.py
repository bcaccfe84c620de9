"""A second net under every merge: what it would take away although its author never touched that.

What a live branch contains decides what a merge takes for removed. Should that ever be wrong, lines and files that
others wrote would vanish without a conflict. So they are looked for here by another way: what Git would keep if the
author's files were one commit on their HEAD, less what the author's own saves took away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.line_counts import Lines, content_at, lines_at, lines_in, merged_cleanly
from bough_daemon.history.own_steps import own_steps
from bough_daemon.history.timeline import merged_tips, read_snapshot
from bough_daemon.store.store import Store


@dataclass(frozen=True)
class Author:
    """The member whose work a merge brings in: their snapshot, and the commit that their HEAD was at."""

    tip: str
    base: str


def untouched_removals(store: Store, ours: str, head: str, author: Author, base_tree: str, result: str) -> list[str]:
    """Return the paths in which a merge takes lines from `ours` that its author never touched, sorted.

    `ours`, `head`: the tree that the work is brought into, and the commit that it is made on. `base_tree`: the tree
    that the merge took for what both began with. `result`: the tree that it made.
    """
    objects = store.objects
    fork = store.merge_base(head, author.base)
    began = objects.commit(fork).tree if fork is not None else objects.write_tree({})
    if began == base_tree:
        return []
    claimed = {path for path, _, _ in objects.difference(began, base_tree)}
    theirs = objects.commit(author.tip).tree
    changed = list(objects.difference(ours, result))
    moved = sum((lines_at(objects, after) for _, before, after in changed if before is None), Lines())
    lost: dict[str, Lines] = {}
    for path, before, after in changed:
        if path in claimed and before is not None:
            gone = _lost(objects, (objects.entry(began, path), before, objects.entry(theirs, path)), after) - moved
            if gone:
                lost[path] = gone
    for one in _authors(objects, author) if lost else ():
        _forgive_commits(store, head, one, lost)
        _forgive_saves(store, one, lost)
    return sorted(lost)


def _authors(objects: Objects, author: Author) -> Iterator[Author]:
    """Yield whose work a live branch brings: its member's, and that of everyone who was merged into it."""
    for tip in merged_tips(objects, author.tip):
        snapshot = read_snapshot(objects, tip)
        base = author.base if tip == author.tip else snapshot.base if snapshot is not None else tip
        if objects.exists(base):
            yield Author(tip, base)


def _forgive_commits(store: Store, head: str, author: Author, lost: dict[str, Lines]) -> None:
    """Take out of `lost` what commits removed that the author's HEAD has."""
    objects = store.objects
    fork = store.merge_base(head, author.base)
    if fork is None:
        return
    before, after = objects.commit(fork).tree, objects.commit(author.base).tree
    for path in list(lost):
        gone = lines_at(objects, objects.entry(before, path))
        gone -= lines_at(objects, objects.entry(after, path))
        _forgive(lost, path, gone)


def _forgive(lost: dict[str, Lines], path: str, lines: Lines) -> None:
    lost[path] -= lines
    if not lost[path]:
        del lost[path]


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
    return kept - lines_at(objects, after)


def _forgive_saves(store: Store, author: Author, lost: dict[str, Lines]) -> None:
    """Take out of `lost` what the author's own saves removed, under whatever name the file had then."""
    objects = store.objects
    for step in own_steps(store, author.tip):
        for path, was, now in objects.difference(step.before, step.after):
            at_head = objects.entry(step.head_after, path)
            unmoved = now == at_head == objects.entry(step.head_before, path)
            if unmoved and not _is_own(store, author.tip, path, was):
                continue  # as HEAD has it again: given up, not removed
            removed = lines_at(objects, was) - lines_at(objects, now)
            for name in list(lost) if removed else ():
                _forgive(lost, name, removed)
        if not lost:
            return


def _is_own(store: Store, tip: str, path: str, entry: TreeEntry | None) -> bool:
    """Return whether the author's own save brought an entry to a path."""
    objects = store.objects
    return any(
        objects.entry(step.after, path) == entry != objects.entry(step.before, path) for step in own_steps(store, tip)
    )
