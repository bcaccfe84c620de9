"""Whether a tree has what a commit brought, judged by content alone, whatever any history claims."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from bough_daemon.git.objects import TreeEntry
from bough_daemon.history.line_counts import merged_cleanly, text_at
from bough_daemon.store.store import Store


class Contained(Enum):
    """How much of a commit's changes a tree has: all; all except lines changed in two ways; or not all."""

    WHOLE = 1
    DISPUTED = 2
    PARTLY = 3


def contained(store: Store, tree: str, base: str, commit: str) -> Contained:
    """Return whether `tree`, based on the commit `base`, has what `commit` brought since the two diverged.

    It does if merging the commit into it again changes nothing.
    """
    changes = brought_by(store, base, commit)
    if changes is None:
        return Contained.PARTLY
    verdict = Contained.WHOLE
    for path, before, after in changes:
        found = contains_change(store, before, after, store.objects.entry(tree, path))
        if found is Contained.PARTLY:
            return found
        if found is Contained.DISPUTED:
            verdict = found
    return verdict


def brought_by(store: Store, base: str, commit: str) -> Iterable[tuple[str, TreeEntry | None, TreeEntry | None]] | None:
    """Return the (path, entry before, entry after) that a commit brought beyond another.

    None if they share no history, or the commit is not here.
    """
    objects = store.objects
    fork = store.merge_base(base, commit) if objects.exists(commit) else None
    return objects.difference(objects.commit(fork).tree, objects.commit(commit).tree) if fork is not None else None


def contains_change(
    store: Store, before: TreeEntry | None, after: TreeEntry | None, now: TreeEntry | None
) -> Contained:
    """Return how much of the change from `before` to `after` is in `now`."""
    if now == after:
        return Contained.WHOLE
    if now == before:
        return Contained.PARTLY
    if before is None or after is None or now is None:
        return Contained.DISPUTED
    sides = [text_at(store.objects, entry) for entry in (before, now, after)]
    if any(side is None for side in sides):
        return Contained.DISPUTED
    base, ours, theirs = (side for side in sides if side is not None)
    merged = merged_cleanly(base, ours, theirs)
    if merged is None:
        return Contained.DISPUTED
    return Contained.WHOLE if merged == ours else Contained.PARTLY
