"""Decide which ancestors a snapshot may name: only those whose changes its tree really has.

For a merge, whatever an ancestor has and the tree lacks was removed by its author. So the previous snapshot is an
ancestor only while HEAD moved forward, or was rewritten and the tree still has what the old base brought; otherwise the
history starts at HEAD's commit, and the old tip stays only in the timeline. A merge is claimed as long as the tree
keeps what it brought.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.containment import Contained, brought_by, contained, contains_change
from bough_daemon.history.line_counts import keeps_nothing, lines_at
from bough_daemon.history.replacements import landed_snapshots
from bough_daemon.history.timeline import Snapshot, are_too_many, read_snapshot, timeline
from bough_daemon.store.store import Store

LONGEST_OPERATION = 5000  # snapshots of one Git operation; a teammate may say so of any number
REMEMBERED = 300  # snapshots of the timeline in which an earlier chain is searched
MOST_GIVEN_UP = 5000  # snapshots that continue a claim; with more of them the history starts at HEAD
MOST_CHAINS = 8  # of these, how many are compared
MOST_NAMED_AGAIN = 200  # newest claims that are named again after there were too many, so that more can follow

Rewritten = Callable[[str], bool]
"""Whether HEAD left a commit by rewriting it (amend, rebase) and not by going elsewhere."""


@dataclass(frozen=True)
class Ancestry:
    """The ancestors of the next snapshot.

    `before`: the snapshot that it continues; None if its history starts at its base. `also`: an earlier snapshot of the
    same branch that it contains too. `brought`: commits that the history claims beyond its base.
    """

    before: Snapshot | None = None
    also: Snapshot | None = None
    brought: tuple[str, ...] = ()


def ancestry_of_save(
    store: Store, tip: Snapshot, tree: str, base: str, operation: str, rewritten: Rewritten, discarded: bool
) -> Ancestry:
    """Return the ancestry of a snapshot of `tree`, taken with HEAD at `base`, on a branch with the tip `tip`.

    `operation`: the Git operation in progress, empty for none. `discarded`: Git has discarded edits since the newest
    snapshot.
    """
    in_between = bool(tip.operation or operation)
    wrote = base == tip.base or rewritten(tip.base)
    before = tip if _goes_on(store, tip, tree, base, None if in_between else rewritten) else None
    also = _settled(store, tip, tree, base, rewritten) if tip.operation and not operation else None
    if also is None and not (before is not None and wrote):
        also = _earlier_chain(store, tip, tree, base)
    if before is None:
        before, also = also, None
    return without_given_up(store, before, tree, base, also=also, wrote=wrote, discarded=discarded)


def _settled(store: Store, tip: Snapshot, tree: str, base: str, rewritten: Rewritten) -> Snapshot | None:
    """Return the snapshot from before a Git operation that has just ended, if `tree` continues it."""
    settled = settled_before(store.objects, tip)
    return settled if settled is not None and _goes_on(store, settled, tree, base, rewritten) else None


def without_given_up(
    store: Store,
    before: Snapshot | None,
    tree: str,
    base: str,
    *,
    also: Snapshot | None = None,
    contains: Collection[str] = (),
    wrote: bool = True,
    discarded: bool = False,
) -> Ancestry:
    """Return the ancestry of `tree` that continues `before`, without the claims that the tree has given up since.

    A claim is given up if a path that it had changed is again as in HEAD: stashed, reset, checked out, removed. Then
    the history continues from before that claim, and the other claims are named again. `contains`: new claims. `wrote`:
    HEAD has moved, if at all, to a commit of what the files had. `discarded`: Git has discarded edits in this step, so
    a path may have been edited again since.
    """
    step = _Step(tree, base, wrote, discarded)
    newer = tuple(oid for oid in contains if oid != base)
    claims = claims_of(store, before, base)
    gone: set[str] = set()
    while before is not None:
        found = _given_up(store, before, step, newer)
        if not found:
            break
        gone |= found
        landed = landed_snapshots(store, *found, f"^{base}") if not newer else set()
        before = _before_claims(store, before, found, landed)
    if also is not None:
        more = _given_up(store, also, step, newer)
        claims += claims_of(store, also, base) if not more else []
        also = also if not more else None
    kept = [oid for oid in [*claims, *claims_of(store, before, base), *newer] if oid not in gone]
    return Ancestry(before, also, tuple(dict.fromkeys(kept)))


def within_bounds(found: Ancestry) -> Ancestry:
    """Return an ancestry with as many claims as a snapshot may have.

    If it has more, the history starts at HEAD with the newest: a claim that is no longer named could never be given up,
    so nothing that contains it may be continued either.
    """
    earlier = [one for one in (found.before, found.also) if one is not None]
    if not are_too_many(found.brought) and not any(one.claims_too_much for one in earlier):
        return found
    return Ancestry(brought=found.brought[-MOST_NAMED_AGAIN:])


def claims_of(store: Store, snapshot: Snapshot | None, base: str) -> list[str]:
    """Return what the history of a snapshot claims beyond the commit `base`: merges, and rewritten bases.

    A teammate may name commits that nobody has; as a parent, one such would keep a snapshot from leaving.
    """
    if snapshot is None:
        return []
    if snapshot.base == base:
        return [oid for oid in snapshot.brought if oid != base and store.objects.exists(oid)]
    here = filter(store.objects.exists, (*snapshot.brought, snapshot.base))
    return [oid for oid in here if not store.is_surely_ancestor(oid, base)]


def walk_ahead(store: Store, tip: Snapshot, claim: str) -> None:
    """Ask Git beforehand, beside the store's thread, what recording will ask: how a commit relates to the newest ones.

    Raise GitTooSlow if that takes too long.
    """
    store.is_ancestor(claim, tip.shared)
    for brought in tip.brought:
        store.is_ancestor(brought, claim)
    store.merge_base(tip.base, claim)


def walk_back_ahead(store: Store, snapshot: Snapshot, base: str) -> None:
    """Ask Git beforehand, beside the store's thread, what recording on the commit `base` onto a snapshot will ask."""
    for claim in (base, *claims_of(store, snapshot, base)):
        store.is_surely_ancestor(claim, snapshot.shared)


def settled_before(objects: Objects, tip: Snapshot) -> Snapshot | None:
    """Return the newest snapshot of a timeline that was not taken during a Git operation."""
    near = islice(timeline(objects, tip.oid), LONGEST_OPERATION)
    return next((snapshot for snapshot in near if not snapshot.operation), None)


def _goes_on(store: Store, old: Snapshot, tree: str, base: str, rewritten: Rewritten | None) -> bool:
    """Return whether `tree` on the commit `base` continues an old snapshot."""
    if store.is_ancestor(old.base, base):
        return True
    verdict = contained(store, tree, base, old.base)
    if verdict is Contained.DISPUTED and rewritten is not None:
        return rewritten(old.base)
    return verdict is Contained.WHOLE


def _earlier_chain(store: Store, tip: Snapshot, tree: str, base: str) -> Snapshot | None:
    """Return the end of an earlier chain of this branch that `tree` contains completely: HEAD is back there."""
    ends = (end for end in _chain_ends(store.objects, tip) if not end.operation)
    for end in islice(ends, MOST_CHAINS):
        claims = [end.oid, *claims_of(store, end, base)]
        if all(contained(store, tree, base, oid) is Contained.WHOLE for oid in claims):
            return end
    return None


def _chain_ends(objects: Objects, tip: Snapshot) -> Iterator[Snapshot]:
    """Yield the newest snapshot of each chain before the one that ends with `tip`."""
    newer = tip
    for snapshot in islice(timeline(objects, tip.oid), 1, REMEMBERED):
        if newer.parents[:1] != (snapshot.oid,):
            yield snapshot
        newer = snapshot


@dataclass(frozen=True)
class _Step:
    """A step between two snapshots: the new tree, HEAD's commit, and what Git did in between."""

    tree: str
    base: str
    wrote: bool
    discarded: bool


def _given_up(store: Store, before: Snapshot, step: _Step, newer: Collection[str]) -> frozenset[str]:
    """Return the claims of a snapshot for which a path lost everything they had brought, and is as in HEAD."""
    claims = claims_of(store, before, step.base) if before.tree != step.tree else []
    if not claims:
        return frozenset()
    objects = store.objects
    at_head = objects.commit(step.base).tree
    old_head = objects.commit(before.base).tree if step.wrote else at_head
    changed = list(objects.difference(before.tree, step.tree))
    moved = {now.oid for _, was, now in changed if was is None and now is not None}
    doubtful: dict[str, _Doubt] = {}
    for path, was, now in changed:
        head = objects.entry(at_head, path)
        if (now == head or step.discarded or newer) and (was is None or was.oid not in moved):
            doubtful[path] = _Doubt(was, now, now == head, objects.entry(old_head, path) != head)
    return frozenset(
        oid
        for oid in (claims if doubtful else ())
        if not any(store.is_ancestor(oid, new) for new in newer)
        and _is_given_up(store, step.base, oid, doubtful, merged=bool(newer))
    )


@dataclass(frozen=True)
class _Doubt:
    """A path that may have lost what was merged. `reverted`: it is as in HEAD; `committed`: HEAD just committed it."""

    was: TreeEntry | None
    now: TreeEntry | None
    reverted: bool
    committed: bool


def _is_given_up(store: Store, base: str, claim: str, doubtful: Mapping[str, _Doubt], *, merged: bool) -> bool:
    """Return whether one of the paths lost what a claim had brought.

    Lines that were edited on the way into HEAD's commit are not lost. `merged`: the step was a merge of something that
    does not contain the claim.
    """
    objects = store.objects
    for path, before, after in brought_by(store, base, claim) or ():
        doubt = doubtful.get(path)
        if doubt is None:
            continue
        if merged:
            had = contains_change(store, before, after, doubt.was) is not Contained.PARTLY
            if had and contains_change(store, before, after, doubt.now) is Contained.PARTLY:
                return True
        if not doubt.reverted:
            had = not keeps_nothing(objects, before, after, doubt.was)
            if had and keeps_nothing(objects, before, after, doubt.now):
                return True
            continue
        found = contains_change(store, before, after, doubt.now)
        if found is Contained.PARTLY:
            return True
        if found is Contained.DISPUTED and not doubt.committed:
            added = lines_at(objects, after) - lines_at(objects, before)
            if (lines_at(objects, doubt.was) & added) - lines_at(objects, doubt.now):
                return True
    return False


def _before_claims(
    store: Store, snapshot: Snapshot, claims: Collection[str], landed: Collection[str]
) -> Snapshot | None:
    """Return the newest snapshot of a chain that claims none of `claims`; None if its first snapshot claims one.

    `landed`: snapshots that those commits were made of; a snapshot that continues one of them has its content too.
    """

    def has(at: Snapshot) -> bool:
        return not at.claims.isdisjoint(claims) or any(store.is_ancestor(oid, at.shared) for oid in landed)

    at: Snapshot | None = snapshot
    for _ in range(MOST_GIVEN_UP):
        if at is None or not has(at):
            return at
        first = at.parents[0] if at.parents else None
        reachable = first is not None and first not in claims and store.objects.exists(first)
        at = read_snapshot(store.objects, first) if first is not None and reachable else None
    return None
