"""The texts an engine has learned from, kept by path and origin, cheap to add, replace and remove."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from bough_completion.query import BUFFER, SAVED, Kind, Origin
from bough_completion.segment import Piece, Segment
from bough_completion.tokens import Tokens, Vocabulary

_GROWTH = 8
"""A segment is merged into the one before it once that one is less than this many times larger."""
_AT_ONCE = 50_000
"""Tokens that are merged while a query waits: about 5 ms."""
_MOST_SEGMENTS = 8
"""With so many segments a query waits for a merge of any size."""


@dataclass(frozen=True)
class Entry:
    """One text: where it is from; `slot` is its number in the segments."""

    path: str
    origin: Origin
    slot: int
    piece: Piece


class Labels:
    """A growing column of words, kept as numbers so that it is compared at once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._column = array("i")

    def append(self, label: str) -> None:
        """Add a row."""
        self._column.append(self._numbers.setdefault(label, len(self._numbers)))

    def equal(self, label: str) -> NDArray[np.bool_]:
        """Return which rows have this label."""
        rows: NDArray[np.bool_] = np.equal(np.array(self._column, np.int32), self._numbers.get(label, -1))
        return rows


class Corpus:
    """Hold texts in a few segments of growing size; replaced texts are left out when segments are merged."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.entries: dict[tuple[str, Origin], Entry] = {}
        self.by_slot: list[Entry | None] = []
        self.version = 0
        self.suffixes = Labels()
        """Of each slot, the suffix of its file."""
        self._segments: list[Segment] = []
        self._fresh: list[Piece] = []
        self._live: dict[tuple[str, Origin], Entry] = {}
        self._dead = 0

    def put(self, path: str, text: str, origin: Origin) -> None:
        """Learn a text, in place of what that path and origin held before."""
        self.learn(path, self.vocabulary.encode(text), origin)

    def learn(self, path: str, surfaces: Tokens, origin: Origin) -> None:
        """Learn a text that is cut into tokens already."""
        self.drop(path, origin)
        slot = len(self.by_slot)
        piece = Piece(slot, surfaces)
        entry = Entry(path, origin, slot, piece)
        self.entries[path, origin] = entry
        self.by_slot.append(entry)
        if origin.kind is Kind.LIVE:
            self._live[path, origin] = entry
        self.suffixes.append(splitext(path)[1])
        self._fresh.append(piece)
        self.version += 1

    def drop(self, path: str, origin: Origin) -> None:
        """Forget a text; one that was never there is no error."""
        entry = self.entries.pop((path, origin), None)
        self._live.pop((path, origin), None)
        if entry is not None:
            self.by_slot[entry.slot] = None
            self._dead += len(entry.piece.surfaces)
            self.version += 1

    def segments(self) -> list[Segment]:
        """Return the index, brought up to date."""
        if self._fresh:
            self._segments.append(Segment(self._fresh, self.vocabulary))
            self._fresh = []
            self._merge(_AT_ONCE if len(self._segments) < _MOST_SEGMENTS else None)
        return self._segments

    def tidy(self) -> None:
        """Bring the index up to date and merge its segments; worth its time between queries, not in one."""
        self.segments()
        self._merge(None)

    @property
    def tokens(self) -> int:
        """Count the tokens of all texts that are held."""
        return sum(map(len, self._segments)) + sum(len(piece.surfaces) for piece in self._fresh) - self._dead

    def live(self) -> list[Entry]:
        """Return the texts of teammates' live branches."""
        return list(self._live.values())

    def own(self, path: str) -> Entry | None:
        """Return the member's own newest text of a file."""
        texts = [self.entries[path, origin] for origin in (SAVED, BUFFER) if (path, origin) in self.entries]
        return max(texts, key=attrgetter("slot"), default=None)

    def text(self, entry: Entry) -> str:
        """Return a text as it was put."""
        return "".join(map(self.vocabulary.text, entry.piece.surfaces))

    def kinds(self) -> dict[str, int]:
        """Count the texts of each kind."""
        return dict(Counter(entry.origin.kind.value for entry in self.entries.values()))

    def _merge(self, most: int | None) -> None:
        """Merge the newest segments that are not much smaller than the one before; no more than `most` tokens."""
        count, size = 1, sum(map(len, self._segments[-1:]))
        while count < len(self._segments):
            older = len(self._segments[-count - 1])
            if older >= size * _GROWTH and self._dead <= self.tokens:
                break
            if most is not None and size + older > most:
                break
            count, size = count + 1, size + older
        if count == 1 and self._dead <= self.tokens:
            return
        pieces = [piece for segment in self._segments[-count:] for piece in segment.pieces]
        kept = [piece for piece in pieces if self.by_slot[piece.slot] is not None]
        self._dead -= sum(len(piece.surfaces) for piece in pieces) - sum(len(piece.surfaces) for piece in kept)
        self._segments[-count:] = [Segment(kept, self.vocabulary)] if kept else []
