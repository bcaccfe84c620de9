"""Which earlier shared commit the next one goes on from: none that a teammate has refused.

A refused commit stays in the history of all that follow it, so those are refused as well, long after what was wrong
with it has gone. The chain begins again from what the teammate holds, or from the base alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from bough_daemon.store import Store

MOST_REFUSED = 16  # refused tips that are remembered


class SharedChain:
    """The refusals of one live branch's shared tips. On the store's thread only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refused: dict[str, str | None] = {}
        self._sound: set[str] = set()
        self._beginnings: set[str] = set()

    def refuse(self, tip: str, held: str | None, newest: str) -> bool:
        """Remember that a teammate who holds `held` refused a shared tip; return whether beginning again may help.

        It does not where `newest` has left the refused tip behind, nor where that was itself a beginning.
        """
        self._refused.pop(tip, None)
        self._refused[tip] = held
        if len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._sound.clear()
        return tip not in self._beginnings and self._store.is_ancestor(tip, newest)

    def beginning(self, earlier: Sequence[str], claims: Sequence[str]) -> list[str]:
        """Return the parents of a shared commit that cannot go on from the `earlier` ones; empty where it can.

        `claims`: its base, and the other commits that it contains beside these.
        """
        goes_on_from = [self._goes_on_from(shared) for shared in earlier]
        if goes_on_from == list(earlier):
            return []
        return list(dict.fromkeys(oid for oid in [*goes_on_from, *claims] if oid is not None))

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

    def note(self, shared: str, is_beginning: bool) -> None:
        """Remember that a shared commit was written, and whether it leaves out what was refused before it."""
        if is_beginning:
            self._beginnings.add(shared)
        self._sound = {shared}
