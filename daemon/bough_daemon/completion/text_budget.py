"""The texts that the completion process holds, limited so that no repository is too large for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator


class TextBudget:
    """The texts of one origin that the engine holds: at most `limit` characters, nearest to the current file first."""

    def __init__(self, limit: int) -> None:
        self._sizes: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self.room = limit

    def __contains__(self, path: object) -> bool:
        return path in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sizes))

    def has(self, path: str, oid: str) -> bool:
        """Return whether exactly this text is held."""
        return self._sizes.get(path, ("", 0))[0] == oid

    def size(self, path: str) -> int:
        """Return the size of a held text."""
        return self._sizes[path][1]

    def take(self, path: str, oid: str, size: int, first: bool = False) -> None:
        """Record a text of `size` characters; `first`: as the nearest."""
        self.drop(path)
        self._sizes[path] = (oid, size)
        self._sizes.move_to_end(path, last=not first)
        self.room -= size

    def drop(self, path: str) -> bool:
        """Forget a text; return whether it was held."""
        known = self._sizes.pop(path, None)
        self.room += known[1] if known is not None else 0
        return known is not None

    def excess(self) -> list[str]:
        """Forget the farthest texts until the rest is within the limit; return their paths."""
        gone = []
        while self.room < 0 and self._sizes:
            path, (_, size) = self._sizes.popitem()
            self.room += size
            gone.append(path)
        return gone
