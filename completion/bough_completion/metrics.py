"""How useful the answers are: how many were shown, and how many became text. It stays in this process."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from bough_completion.query import Query

_BUFFERS = 32


@dataclass(frozen=True)
class _Shown:
    prefix: str
    text: str


@dataclass
class Metrics:
    """Count the answers that were sure enough to be shown, by what the same buffer asks afterwards.

    An answer is accepted when the text before the cursor goes on with the whole of it, typed or inserted.
    """

    shown: int = 0
    accepted: int = 0
    characters: int = 0
    _open: dict[Hashable, _Shown] = field(default_factory=dict)

    def see(self, buffer: Hashable, query: Query) -> None:
        """Learn from a new question what became of the answer shown last in its buffer."""
        last = self._open.get(buffer)
        if last is None:
            return
        whole = last.prefix + last.text
        if query.prefix.startswith(whole):
            self.accepted += 1
            self.characters += len(last.text)
        elif query.prefix.startswith(last.prefix) and whole.startswith(query.prefix):
            return
        del self._open[buffer]

    def show(self, buffer: Hashable, query: Query, text: str) -> None:
        """Count an answer; what is left of one that the member types through is not counted again."""
        last = self._open.get(buffer)
        if last is not None and last.prefix + last.text == query.prefix + text:
            return
        self.shown += 1
        self._open[buffer] = _Shown(query.prefix, text)
        if len(self._open) > _BUFFERS:
            del self._open[next(iter(self._open))]
