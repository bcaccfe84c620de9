"""Find the tree that the two sides of a fold have in common, and remember it."""

from __future__ import annotations

from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.store.store import Store
from bough_daemon.together.fold_base import Beginning, Pair, beginning
from bough_daemon.together.tree_fold import TreeFolder, Undecided

MOST_CROSSINGS = 1024  # pairs whose result is remembered


class Crossings:
    """The common trees of pairs of snapshots of one store. On the store's thread only. `folder`: folds their trees."""

    def __init__(self, store: Store) -> None:
        self.folder = TreeFolder(store.objects)
        self._store = store
        self._trees: dict[tuple[str, str], str] = {}

    def base(self, pair: Pair, host: str, guest: str) -> tuple[str | None, tuple[Undecided, ...]]:
        """Return the common tree of a host's and a guest's snapshot; None if they share no history.

        `host`, `guest`: the names of their branches. Also return what the merge engine has to decide first.
        """
        began = beginning(pair, host, guest, self._read, lambda one: self._trees.get(one.key))
        if began is None:
            began = self._by_claims(pair)
        if began is None:
            return None, ()
        tree = began.tree
        for one in began.crossings:
            apart = one.host.company.paused.get(guest, frozenset()) | one.guest.company.paused.get(host, frozenset())
            tree, undecided = self.folder.common(tree, one.host.tree, one.guest.tree, apart)
            if undecided:
                return tree, undecided
            while len(self._trees) >= MOST_CROSSINGS:
                del self._trees[next(iter(self._trees))]
            self._trees[one.key] = tree
        return tree, ()

    def _by_claims(self, pair: Pair) -> Beginning | None:
        """Return the tree that both contain by all their claims: the named state is no longer here (a purge)."""
        commit = self._store.merge_base(*pair.key)
        return Beginning(self._store.objects.commit(commit).tree) if commit is not None else None

    def _read(self, oid: str) -> Snapshot | None:
        """Return a snapshot that one side names; None if it is not here, or the team does not see it."""
        found = read_snapshot(self._store.objects, oid) if self._store.objects.exists(oid) else None
        return found if found is not None and found.shared == found.oid else None
