"""Decide which contents another member may have purged here.

Their own, wherever they went: what their branch had, and what a merge or a hop brought from it into a branch here. What
originated here is this member's, and what another teammate's branch has is that teammate's: so nobody can delete what
someone else recorded by copying it and having it purged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bough_daemon.git.objects import Objects
from bough_daemon.history.timeline import BRINGING, read_snapshot, timeline
from bough_daemon.purging.removal import in_history, of_bough_alone
from bough_daemon.purging.rewriting import Contents
from bough_daemon.store.store import Store
from bough_daemon.team.purges import PurgeOutcome


@dataclass(frozen=True)
class Branches:
    """The store's references. `mine`: the tips of this member's branches; `kept`: what else they keep.

    `theirs`: by teammate, the commits that their branches and landings name.
    """

    mine: Sequence[str]
    kept: Sequence[str]
    theirs: Mapping[str, Sequence[str]]


@dataclass
class Holders:
    """The holders of some blobs. `brought`: for blobs here that came only from others, from which branches."""

    own: set[str] = field(default_factory=set)
    brought: dict[str, set[str]] = field(default_factory=dict)
    theirs: dict[str, set[str]] = field(default_factory=dict)


def holders(store: Store, objects: Objects, branches: Branches, ids: Collection[str]) -> Holders:
    """Find who has which of some blobs. May be called from any thread, with its own objects."""
    contents, found = Contents(objects, ids), Holders()
    for name, tips in branches.theirs.items():
        commits = of_bough_alone(store, tips)
        found.theirs[name] = set[str]().union(*(contents.of(objects.commit(one).tree) for one in commits))
    for tip in branches.mine:
        found.own |= contents.of(objects.commit(tip).tree)  # the current files count too
        _trace(objects, contents, tip, found)
    for oid in branches.kept:
        if read_snapshot(objects, oid) is None:
            found.own |= contents.of(objects.commit(oid).tree) - found.brought.keys()
    return found


def _trace(objects: Objects, contents: Contents, tip: str, found: Holders) -> None:
    """Find for each blob in the snapshots of a branch how it came there."""
    for snapshot in timeline(objects, tip):
        before = read_snapshot(objects, snapshot.previous) if snapshot.previous is not None else None
        new = contents.of(snapshot.tree) - (contents.of(before.tree) if before is not None else frozenset())
        if not new:
            continue
        word, _, names = snapshot.event.partition(" ")
        named = [*snapshot.parents, *snapshot.company.folded.values()]
        others = [one for one in named if one != snapshot.previous and objects.exists(one)]
        from_others = frozenset[str]().union(*(contents.of(objects.commit(one).tree) for one in others))
        for oid in new:
            if word in BRINGING and oid in from_others:
                found.brought.setdefault(oid, set()).update(names.split(" "))
            else:
                found.own.add(oid)


@dataclass(frozen=True)
class Verdict:
    """The decision about a purge: `ids`, the blobs that may be purged now, and the report of it."""

    ids: frozenset[str]
    outcome: PurgeOutcome


def verdict(
    found: Holders,
    ids: Collection[str],
    by: str,
    agreed: Callable[[str], Collection[str]],
    owner_of: Callable[[str], str],
    committed: Collection[str],
) -> Verdict:
    """Return which of some blobs may be purged here at the request of the member `by`.

    `agreed`: the blobs that a member has asked to purge. `owner_of`: returns the member of a branch. `committed`: the
    blobs in the user's own Git history.
    """
    allowed, outcomes = set[str](), {PurgeOutcome.DONE}
    for oid in ids:
        holding = {name for name, has in found.theirs.items() if oid in has}
        sources = {owner_of(name) for name in found.brought.get(oid, ())}
        if oid in committed:
            outcomes.add(PurgeOutcome.IN_GIT)
        elif oid in found.own or not all(one == by or oid in agreed(one) for one in sources):
            outcomes.add(PurgeOutcome.ASKED)
        elif holding:
            outcomes.add(PurgeOutcome.WAITS)
        else:
            allowed.add(oid)
    return Verdict(frozenset(allowed), max(outcomes, key=lambda one: one.value))


def judge(
    store: Store,
    objects: Objects,
    branches: Branches,
    ids: Collection[str],
    by: str,
    agreed: Callable[[str], Collection[str]],
    owner_of: Callable[[str], str],
) -> Verdict:
    """Check what is here and decide about a purge. May be called from any thread, and take seconds."""
    here = [oid for oid in ids if objects.owns(oid) and objects.header(oid)[0] == "blob"]
    if not here:
        return Verdict(frozenset(), PurgeOutcome.DONE)
    found = holders(store, objects, branches, here)
    return verdict(found, here, by, agreed, owner_of, in_history(store.common_dir, here))
