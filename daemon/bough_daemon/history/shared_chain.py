"""Which earlier shared commit the next one goes on from: none that a teammate has refused.

A refused commit stays in the history of all that follow it, so those are refused as well, long after what was wrong
with it has gone. The chain begins again from what the teammate holds, or from the base alone. Where that is refused
too, it was something that was merged, and the next beginning is without all that this one had merged.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        """Remember that a teammate who holds `held` refused a shared tip; return whether beginning again may help.

        It does not where `newest` has left the refused tip behind, nor where that was a beginning from its base alone.
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
        """Return the parents of the next shared commit; and, where it cannot go on from the `earlier` ones, its claims.

        `brought`: the commits that it contains beyond its `base`; `unnamed`: those of all these that no earlier one
        names.
        """
        goes_on_from = [self._goes_on_from(shared) for shared in earlier]
        if goes_on_from == list(earlier):
            return [*earlier, *self._trusted(unnamed, base)], None
        claims = self._trusted(brought, base)
        found = dict.fromkeys(oid for oid in [*goes_on_from, base, *claims] if oid is not None)
        return list(found), frozenset(claims) - {base}

    def _trusted(self, claims: Sequence[str], base: str) -> list[str]:
        return [oid for oid in claims if oid == base or oid not in self._doubted]

    def _goes_on_from(self, shared: str) -> str | None:
        """Return `shared` where nothing that was refused led to it, else what comes in its place; None for nothing."""
        if not self._refused or shared in self._sound:
            return shared
        bad = [tip for tip in self._refused if self._store.is_ancestor(tip, shared)]
        if not bad:
            self._sound = {shared}
            return shared
        held = self._refused[bad[-1]]
        if held is None or not self._store.is_ancestor(held, shared):
            return None
        return None if any(self._store.is_ancestor(tip, held) for tip in bad) else held

    def note(self, shared: str, claims: frozenset[str] | None) -> None:
        """Remember that a shared commit was written; `claims`: what it claims where it begins the chain again."""
        if claims is not None:
            self._beginnings[shared] = claims
        self._sound = {shared}
