"""Live branches: chains of snapshots in the store, each written by one daemon alone.

A snapshot is a commit. Its parents are the snapshot before it; the commit that HEAD moved to, where it moved; and what
was brought in from elsewhere (a teammate's tip that was merged). So Git's own merge base of two live branches is right
after any number of merges. What a snapshot stands on and why it was taken is said in trailers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bough_daemon.store import LIVE, SHARED, Store
from bough_daemon.timeline import BASE, EVENT, PREVIOUS, SHARED_AS, Snapshot, read_snapshot
from bough_daemon.withheld import shared_tree, withheld_paths


class Branch:
    """The live branch of one worktree. On the store's thread only.

    `name`: as the member, or `member+FOLDER`. `author`: `Name <email>`.
    """

    def __init__(self, store: Store, name: str, author: str) -> None:
        self.store = store
        self.name = name
        self.author = author
        self.withheld: dict[str, str] = {}
        tip = store.ref(LIVE + name)
        self.tip = read_snapshot(store.objects, tip) if tip else None
        if self.tip is not None:
            self.withheld = self._withheld(self.tip.base, self.tip.tree)

    def record(
        self,
        tree: str,
        base: str,
        event: str = "save",
        *,
        since: str | None = None,
        contains: Sequence[str] = (),
        onto: str | None = None,
    ) -> Snapshot:
        """Put a snapshot of `tree` on the branch and return it; the tip itself where nothing changed.

        `base`: the commit that HEAD stands on. `since`: the tree that `tree` was made from; what the branch has got
        beyond that meanwhile stays. `contains`: commits whose changes `tree` has from now on. `onto`: the
        snapshot that the branch goes on from instead of its tip, an earlier one (back, undo) or a teammate's (hop):
        what the branch had until now is no longer contained, only remembered. The reference is moved last, so a
        daemon killed on the way leaves the branch as it was.
        """
        tip = self.tip
        if tip is not None and since is not None and tip.tree != since:
            made = self.store.objects.difference(since, tree)
            tree = self.store.objects.splice(tip.tree, {path: entry for path, _, entry in made})
        if tip is not None and (tip.tree, tip.base) == (tree, base) and not contains and onto is None:
            return tip
        first = onto or (tip.oid if tip is not None else None)
        before = read_snapshot(self.store.objects, first) if first else None
        extra = [base] if before is None or before.base != base else []
        extra += [oid for oid in contains if oid not in extra]
        snapshot = self._write(tree, base, event, before, extra)
        if tip is not None and onto is not None and onto != tip.oid:
            self.store.keep(f"{self.name}/{tip.oid}", tip.oid)
        self.store.set_ref(SHARED + self.name, snapshot.shared, self.store.ref(SHARED + self.name))
        self.store.set_ref(LIVE + self.name, snapshot.oid, tip.oid if tip is not None else None)
        self.tip = snapshot
        return snapshot

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

    def _write(self, tree: str, base: str, event: str, before: Snapshot | None, extra: list[str]) -> Snapshot:
        objects = self.store.objects
        withheld = self._withheld(base, tree)
        visible = shared_tree(objects, objects.commit(base).tree, tree, withheld)
        title = self._title(self.tip.tree if self.tip is not None else None, tree, base, event)
        when = int(time.time())
        trailers = {BASE: base, EVENT: event}
        parents = ([before.oid] if before is not None else []) + extra
        if self.tip is not None and (before is None or before.oid != self.tip.oid):
            trailers[PREVIOUS] = self.tip.oid
        shared = None
        if visible != tree or (before is not None and before.shared != before.oid):
            outward = ([before.shared] if before is not None else []) + extra
            seen = objects.commit(before.shared).tree if before is not None else None
            said = _message(self._title(seen, visible, base, event), {BASE: base, EVENT: event})
            shared = objects.write_commit(visible, outward, self.author, when, said)
            trailers[SHARED_AS] = shared
        oid = objects.write_commit(tree, parents, self.author, when, _message(title, trailers))
        self.withheld = withheld
        snapshot = read_snapshot(objects, oid)
        assert snapshot is not None
        return snapshot

    def _withheld(self, base: str, tree: str) -> dict[str, str]:
        return withheld_paths(self.store.objects, self.store.objects.commit(base).tree, tree)

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


def _message(title: str, trailers: dict[str, str]) -> str:
    return title + "\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers.items())
