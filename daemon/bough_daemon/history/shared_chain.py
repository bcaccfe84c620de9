"""Choose the earlier shared commit that the next one continues, avoiding those that a teammate has refused.

A refused commit stays in the history of all that follow it, so those are refused too, long after the problem is gone.
The chain starts over from what the teammate holds, or from the base alone. If that is refused too, the problem is in
something merged, and the next start omits all that was merged.

What descends from a commit whose parents were removed here is as good as refused: it names them, so a newcomer would
miss them.
"""

from __future__ import annotations

from collections.abc import Sequence

from bough_daemon.errors import GitFailed
from bough_daemon.store.store import Store

MOST_REFUSED = 16  # refused tips that are remembered


class SharedChain:
    """The refusals of one live branch's shared tips. On the store's thread only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refused: dict[str, str | None] = {}
        self._sound: set[str] = set()
        self._beginnings: dict[str, frozenset[str]] = {}  # with what each claims beyond its base
        self._doubted: set[str] = set()

    def refuse(self, tip: str, held: str | None, newest: str) -> bool:
        """Record that a teammate who holds `held` refused a shared tip; return whether starting over may help.

        It does not if `newest` has left the refused tip behind, nor if that was a start from its base alone.
        """
        self._refused.pop(tip, None)
        self._refused[tip] = held
        if len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._sound.clear()
        claims = self._beginnings.get(tip)
        self._doubted |= claims or set()
        return claims != frozenset() and self._store.is_ancestor(tip, newest)

    def parents(
        self, earlier: Sequence[str], base: str, brought: Sequence[str], unnamed: Sequence[str]
    ) -> tuple[list[str], frozenset[str] | None]:
        """Return the parents of the next shared commit and, if it cannot continue the `earlier` ones, its claims.

        `brought`: the commits that it contains beyond its `base`; `unnamed`: those that no earlier one names.
        """
        goes_on_from = [self._goes_on_from(shared, base) for shared in earlier]
        if goes_on_from == list(earlier):
            return [*earlier, *self._trusted(unnamed, base)], None
        claims = self._trusted(brought, base)
        found = dict.fromkeys(oid for oid in [*goes_on_from, base, *claims] if oid is not None)
        return list(found), frozenset(claims) - {base}

    def _trusted(self, claims: Sequence[str], base: str) -> list[str]:
        trusted = [oid for oid in claims if oid == base or oid not in self._doubted]
        return [oid for oid in trusted if oid == base or not self._lacks_parents(oid, base)]

    def _lacks_parents(self, commit: str, base: str) -> bool:
        """Return whether a commit descends from one whose parents were removed, or if Git cannot tell soon."""
        grafted = self._store.objects.grafted
        if not grafted or not self._store.objects.exists(commit):
            return False
        try:
            walked = self._store.walks.run(self._store.git, "rev-list", commit, f"^{base}")
        except GitFailed:
            return True
        return not grafted.isdisjoint(walked.decode().split())

    def _goes_on_from(self, shared: str, base: str) -> str | None:
        """Return `shared` if nothing refused led to it, else its replacement; None for nothing."""
        if shared in self._sound:
            return shared
        if self._lacks_parents(shared, base):
            return None
        bad = [tip for tip in self._refused if self._store.is_ancestor(tip, shared)]
        if not bad:
            self._sound = {shared}
            return shared
        held = self._refused[bad[-1]]
        if held is None or not self._store.is_ancestor(held, shared):
            return None
        return None if any(self._store.is_ancestor(tip, held) for tip in bad) else held

    def note(self, shared: str, claims: frozenset[str] | None) -> None:
        """Remember that a shared commit was written; `claims`: its claims if it starts the chain over."""
        if claims is not None:
            self._beginnings[shared] = claims
        self._sound = {shared}
