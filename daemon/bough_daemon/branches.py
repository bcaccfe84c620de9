"""Live branches: chains of snapshots in the store, each written by one daemon alone.

A snapshot is a commit. Its parents are the snapshot that it continues; the commit that HEAD moved to, where it moved;
and what was brought in from elsewhere (a teammate's tip that was merged). `ancestry` decides which of these it may
claim, so Git's own merge base of two live branches is right whatever HEAD did and however often they were merged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bough_daemon.ancestry import Ancestry, Rewritten, ancestry_of_save, claims_of, without_given_up
from bough_daemon.fsck import Fsck
from bough_daemon.shared_chain import SharedChain
from bough_daemon.store import LIVE, SHARED, Store
from bough_daemon.timeline import (
    BASE,
    BROUGHT,
    EVENT,
    OPERATION,
    PREVIOUS,
    SHARED_AS,
    Snapshot,
    read_snapshot,
)
from bough_daemon.withheld import shared_tree, withheld_paths


class Branch:
    """The live branch of one worktree. On the store's thread only.

    `name`: as the member, or `member+FOLDER`. `author`: `Name <email>`. `unshared`: files that the team must not get
    yet, and `flooded`: files and folders that are too much at once, with the reason.
    """

    def __init__(self, store: Store, name: str, author: str) -> None:
        self.store = store
        self.name = name
        self.author = author
        self.withheld: dict[str, str] = {}
        self._fsck = Fsck(store)
        self._chain = SharedChain(store)
        self._begins_again = False
        self.unshared: Mapping[str, str] = {}
        self.flooded: Mapping[str, str] = {}
        self._waiting: frozenset[str] = frozenset()
        self._shares_less = False
        tip = store.ref(LIVE + name)
        self.tip = read_snapshot(store.objects, tip) if tip else None
        if self.tip is not None:
            self.withheld = self._withheld(self.tip.base, self.tip.tree)
            seen = self._visible(self.tip.base, self.tip.tree, self.withheld)
            self._shares_less = seen != store.objects.commit(self.tip.shared).tree

    def save(
        self,
        tree: str,
        base: str,
        operation: str = "",
        rewritten: Rewritten = lambda _: False,
        *,
        discarded: bool = False,
    ) -> Snapshot:
        """Put a snapshot of the files on the branch and return it; the tip itself where nothing changed.

        `base`: the commit that HEAD is at. `operation`: the operation of Git's that is in progress, empty for none.
        `rewritten`: whether HEAD left a commit by rewriting it. `discarded`: whether Git has thrown edits away since
        the newest snapshot. What the snapshot contains is decided from these.
        """
        tip = self.tip
        unchanged = tip is not None and (tip.tree, tip.base, tip.operation) == (tree, base, operation)
        if tip is not None and unchanged and not self._begins_again and not self._may_share_more():
            return tip
        found = Ancestry()
        if tip is not None:
            found = ancestry_of_save(self.store, tip, tree, base, operation, rewritten, discarded)
        return self._append(tree, base, "save", found, operation)

    def record(
        self,
        tree: str,
        base: str,
        event: str,
        *,
        since: str | None = None,
        contains: Sequence[str] = (),
        onto: str | None = None,
    ) -> Snapshot:
        """Put what a command made of the files on the branch and return it; the tip itself where nothing changed.

        `base`: the commit that HEAD is at. `since`: the tree that `tree` was made from; what the branch has got beyond
        that meanwhile stays. `contains`: commits whose changes `tree` has from now on. `onto`: the snapshot that the
        branch goes on from instead of its tip, an earlier one (back, undo) or a teammate's (hop): what the branch had
        until now is no longer contained, only remembered. The reference is moved last, so a daemon killed on the way
        leaves the branch as it was.
        """
        tip = self.tip
        if tip is not None and since is not None and tip.tree != since:
            made = self.store.objects.difference(since, tree)
            tree = self.store.objects.splice(tip.tree, {path: entry for path, _, entry in made})
        if tip is not None and (tip.tree, tip.base) == (tree, base) and not contains and onto is None:
            return tip
        if onto is None:
            return self._append(tree, base, event, without_given_up(self.store, tip, tree, base, contains=contains))
        before = read_snapshot(self.store.objects, onto)
        claims = [*claims_of(self.store, before, base), *contains]
        return self._append(tree, base, event, Ancestry(before, brought=tuple(dict.fromkeys(claims))))

    def refused(self, shared: str, held: str | None) -> bool:
        """Let the next snapshot be shared without a shared tip that a teammate, who holds `held`, refused.

        Return whether that may help, so that a snapshot is due though nothing has changed.
        """
        helps = self.tip is not None and self._chain.refuse(shared, held, self.tip.shared)
        self._begins_again |= helps
        return helps

    def rename(self, name: str) -> None:
        """Call the branch `name` from now on; what stood under that name is kept."""
        if name == self.name or self.tip is None:
            self.name = name
            return
        old, self.name = self.name, name
        replaced = self.store.ref(LIVE + name)
        if replaced is not None:
            self.store.keep(f"{name}/{replaced}", replaced)
        self.store.set_ref(SHARED + name, self.tip.shared, self.store.ref(SHARED + name))
        self.store.set_ref(LIVE + name, self.tip.oid, replaced)
        self.store.delete_ref(LIVE + old)
        self.store.delete_ref(SHARED + old)

    def _append(self, tree: str, base: str, event: str, ancestry: Ancestry, operation: str = "") -> Snapshot:
        """Write a snapshot and move the branch to it; where it does not continue the tip, the tip is kept."""
        tip = self.tip
        snapshot = self._write(tree, base, event, ancestry, operation)
        if tip is not None and (ancestry.before is None or ancestry.before.oid != tip.oid):
            self.store.keep(f"{self.name}/{tip.oid}", tip.oid)
        self.store.set_ref(SHARED + self.name, snapshot.shared, self.store.ref(SHARED + self.name))
        self.store.set_ref(LIVE + self.name, snapshot.oid, tip.oid if tip is not None else None)
        self.tip = snapshot
        self._begins_again = False
        return snapshot

    def _write(self, tree: str, base: str, event: str, ancestry: Ancestry, operation: str) -> Snapshot:
        objects, tip, before = self.store.objects, self.tip, ancestry.before
        withheld = self._withheld(base, tree)
        visible = self._visible(base, tree, withheld)
        earlier = [one for one in (before, ancestry.also) if one is not None]
        beyond = _beyond(earlier, base, ancestry.brought)
        when = int(time.time())
        said = {BASE: base, EVENT: event, OPERATION: operation}
        left = tip if before is None or tip is None or before.oid != tip.oid else None
        trailers = said | {
            PREVIOUS: left.oid if left is not None else "",
            BROUGHT: " ".join(oid for oid in ancestry.brought if oid != base),
        }
        parents = [*(one.oid for one in earlier), *beyond]
        outside, begins_with = self._chain.parents([one.shared for one in earlier], base, ancestry.brought, beyond)
        previous = left.shared if left is not None else ""
        # What is shared names only what is shared, in its trailers as well.
        if (visible, outside, previous) != (tree, parents, trailers[PREVIOUS]):
            seen = objects.commit(before.shared).tree if before is not None else None
            message = _message(self._title(seen, visible, base, event), said | {PREVIOUS: previous})
            trailers[SHARED_AS] = objects.write_commit(visible, outside, self.author, when, message)
        title = self._title(tip.tree if tip is not None else None, tree, base, event)
        oid = objects.write_commit(tree, parents, self.author, when, _message(title, trailers))
        self.withheld, self._shares_less = withheld, False
        snapshot = read_snapshot(objects, oid)
        assert snapshot is not None
        self._chain.note(snapshot.shared, begins_with)
        return snapshot

    def _withheld(self, base: str, tree: str) -> dict[str, str]:
        objects, base_tree = self.store.objects, self.store.objects.commit(base).tree
        flooded = {path: why for path, why in self.flooded.items() if objects.entry(tree, path) is not None}
        rest = shared_tree(objects, base_tree, tree, flooded)
        withheld = flooded | withheld_paths(objects, base_tree, rest, self.unshared)
        self._waiting = frozenset(flooded | {path: why for path, why in withheld.items() if path in self.unshared})
        return withheld | self._fsck.refused(base_tree, shared_tree(objects, base_tree, tree, withheld))

    def _visible(self, base: str, tree: str, withheld: Mapping[str, str]) -> str:
        """Return what the team sees of a tree."""
        return shared_tree(self.store.objects, self.store.objects.commit(base).tree, tree, withheld)

    def _may_share_more(self) -> bool:
        """Return whether a path that was not shared with the tip may be shared by now."""
        return self._shares_less or not self._waiting <= self.unshared.keys() | self.flooded.keys()

    def _title(self, old: str | None, tree: str, base: str, event: str) -> str:
        if event != "save":
            return event
        if old is None:
            return "first snapshot"
        if old == tree:
            return f"on {base[:7]}"
        paths = sorted(path for path, _, _ in self.store.objects.difference(old, tree))
        named = ", ".join(path.replace("\n", " ") for path in paths[:3])
        return named if len(paths) <= 3 else f"{named} and {len(paths) - 3} more"


def _beyond(earlier: Sequence[Snapshot], base: str, brought: Sequence[str]) -> list[str]:
    """Return the commits that must be parents beside earlier snapshots, as none of these names them."""
    known = {oid for one in earlier for oid in (one.oid, *one.claims)}
    return [oid for oid in dict.fromkeys([base, *brought]) if oid not in known]


def _message(title: str, trailers: Mapping[str, str]) -> str:
    return title + "\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers.items() if value)
