"""The texts an engine has learned from, kept by path and origin, cheap to add, replace and remove."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from bough_completion.query import BUFFER, SAVED, Kind, Origin
from bough_completion.segment import Piece, Segment, indexed, merging
from bough_completion.tokens import Tokens, Vocabulary

_GROWTH = 8
"""A segment is merged into the one before it once that one is less than this many times larger."""
_AT_ONCE = 50_000
"""Tokens that are merged while a query waits: about 5 ms."""
_MOST_SEGMENTS = 16
"""With more segments a query waits for a merge of any size."""
_MOST_FRESH = 500_000
"""Tokens that wait to be indexed at the most: about 0.1 s."""
_DONE = object()


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
        self._fresh_tokens = 0
        self._merging: Iterator[None] | None = None
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
        self._fresh_tokens += len(surfaces)
        if self._fresh_tokens > _MOST_FRESH:
            self.segments()
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
            self._segments.append(indexed(self._fresh, self.vocabulary))
            self._fresh, self._fresh_tokens = [], 0
            if len(self._segments) > _MOST_SEGMENTS:
                self.tidy()
            elif self._merging is None:
                for _ in self._due(_AT_ONCE) or ():
                    pass
        return self._segments

    def tidy(self) -> None:
        """Bring the index up to date and merge its segments."""
        while self.tidy_some():
            pass

    def tidy_some(self) -> bool:
        """Do a part of the tidying, a few hundredths of a second long; return whether more may be left."""
        if self._fresh:
            self.segments()
            return True
        self._merging = self._merging or self._due()
        if self._merging is not None and next(self._merging, _DONE) is _DONE:
            self._merging = None
            return True
        return self._merging is not None

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

    def _due(self, most: int | None = None) -> Iterator[None] | None:
        """Return the merge of the newest segments that are not much smaller than the one before, of `most` tokens.

        Nothing has happened yet: each step of it does a slice. None if there is nothing to merge.
        """
        count, size = 1, sum(map(len, self._segments[-1:]))
        while count < len(self._segments):
            older = len(self._segments[-count - 1])
            if older >= size * _GROWTH and self._dead <= self.tokens:
                break
            if most is not None and size + older > most:
                break
            count, size = count + 1, size + older
        if count == 1 and self._dead <= self.tokens:
            return None
        return self._merge(len(self._segments) - count, count)

    def _merge(self, start: int, count: int) -> Iterator[None]:
        segments = self._segments[start : start + count]
        merged = yield from merging(segments, np.array([entry is not None for entry in self.by_slot], np.bool_))
        self._dead -= sum(map(_tokens, segments)) - _tokens(merged)
        self._segments[start : start + count] = [merged] if merged.pieces else []


def _tokens(segment: Segment) -> int:
    return sum(len(piece.surfaces) for piece in segment.pieces)
