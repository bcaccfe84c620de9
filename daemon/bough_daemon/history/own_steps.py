"""What a member did to the files themselves, step by step: not what a merge brought or HEAD's moves took along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bough_daemon.history.timeline import chain, read_snapshot
from bough_daemon.store.store import Store

REMEMBERED = 2000  # snapshots in which an act of the member's own is looked for
OWN = frozenset({"save", "restore"})  # events after which a difference is the member's own doing
BEGINNING = frozenset({"hop", "agent"})  # first words of events by which a branch goes on from another one


@dataclass(frozen=True)
class OwnStep:
    """An author's changes between two snapshots: the trees before and after, and those of HEAD's commits."""

    before: str
    after: str
    head_before: str
    head_after: str


def own_steps(store: Store, tip: str) -> Iterator[OwnStep]:
    """Yield the author's own saves, newest first; with a commit or an amend, if there was one, but no other move."""
    objects = store.objects
    for newer in islice(chain(objects, tip), REMEMBERED):
        if newer.event.partition(" ")[0] in BEGINNING:
            return
        if newer.event not in OWN:
            continue
        head = objects.commit(newer.base).tree
        first = newer.parents[0] if newer.parents else None
        older = read_snapshot(objects, first) if first is not None and objects.exists(first) else None
        if older is None:
            yield OwnStep(head, newer.tree, head, head)
        elif older.base == newer.base or _is_written_on(store, older.base, newer.base):
            yield OwnStep(older.tree, newer.tree, objects.commit(older.base).tree, head)


def _is_written_on(store: Store, old: str, new: str) -> bool:
    """Return whether a commit was made on another, or in its place."""
    return store.is_ancestor(old, new) or store.objects.commit(old).parents == store.objects.commit(new).parents
