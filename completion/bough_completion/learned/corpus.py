"""The texts that an engine has learned from, by path and origin, cheap to add, replace and remove."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.segment import Segment, indexed, merging
from bough_completion.learned.tape import ROOM, Tape
from bough_completion.learned.tokens import Tokens, TokenTable
from bough_completion.query import BUFFER, SAVED, BlobKind, Origin

# A segment is merged into the one before it if that one is less than this many times larger.
_GROWTH = 8
# Tokens that are merged while a query waits: about 5 ms.
_AT_ONCE = 50_000
# Segments above which a query waits for a merge of any size.
_MOST_SEGMENTS = 16
# Tokens that may wait to be indexed: about 0.1 s.
_MOST_FRESH = 500_000
# Tokens of removed texts that may stay, however little else there is.
_MOST_DEAD = 100_000
_DONE = object()


@dataclass(frozen=True)
class CorpusText:
    """One text: its origin, its number on the tape, and its content."""

    path: str
    origin: Origin
    slot: int
    surfaces: Tokens


class Labels:
    """A growing column of words, stored as numbers so that it is compared at once."""

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
    """Texts on a tape, with an index of a few segments of growing size.

    Replaced texts are left out when segments are merged, and stay on the tape until they are half of it.
    """

    def __init__(self) -> None:
        self.vocabulary = TokenTable()
        # The texts that the places in the segments refer to; replaced from time to time.
        self.tape = Tape(self.vocabulary)
        # The number of tokens of all texts.
        self.tokens = 0
        self.entries: dict[tuple[str, Origin], CorpusText] = {}
        self.by_slot: list[CorpusText | None] = []
        self._is_held = bytearray()
        self.version = 0
        # The file suffix of each slot.
        self.suffixes = Labels()
        self._segments: list[Segment] = []
        # Where on the tape the texts begin that are not in a segment yet.
        self._indexed = ROOM
        self._merging: Iterator[None] | None = None
        self._live: dict[tuple[str, Origin], CorpusText] = {}

    def put(self, path: str, text: str, origin: Origin) -> None:
        """Learn a text, replacing the previous one of the path and origin."""
        self.learn(path, self.vocabulary.encode(text), origin)

    def learn(self, path: str, surfaces: Tokens, origin: Origin) -> None:
        """Learn a text that is already cut into tokens."""
        self.drop(path, origin)
        slot = len(self.by_slot)
        entry = CorpusText(path, origin, slot, surfaces)
        self.entries[path, origin] = entry
        self.by_slot.append(entry)
        self._is_held.append(True)
        if origin.kind is BlobKind.LIVE:
            self._live[path, origin] = entry
        self.suffixes.append(splitext(path)[1])
        self.tape.append(slot, surfaces)
        self.tokens += len(surfaces)
        if self.tape.end - self._indexed > _MOST_FRESH:
            self.segments()
        self.version += 1

    def drop(self, path: str, origin: Origin) -> None:
        """Forget a text; a missing one is not an error."""
        entry = self.entries.pop((path, origin), None)
        self._live.pop((path, origin), None)
        if entry is not None:
            self.by_slot[entry.slot] = None
            self._is_held[entry.slot] = False
            self.tokens -= len(entry.surfaces)
            self.version += 1

    def segments(self) -> list[Segment]:
        """Return the index, brought up to date."""
        if self._has_fresh:
            start, self._indexed = self._indexed, self.tape.end
            self.tape.complete(start)
            self._segments.append(indexed(self.tape, start, self._indexed))
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
        if self._has_fresh:
            self.segments()
            return True
        self._merging = self._merging or self._due()
        if self._merging is not None and next(self._merging, _DONE) is _DONE:
            self._merging = None
            return True
        return self._merging is not None

    def live(self) -> list[CorpusText]:
        """Return the texts of teammates' live branches."""
        return list(self._live.values())

    def own(self, path: str) -> CorpusText | None:
        """Return the member's own newest text of a file."""
        texts = [self.entries[path, origin] for origin in (SAVED, BUFFER) if (path, origin) in self.entries]
        return max(texts, key=attrgetter("slot"), default=None)

    def text(self, entry: CorpusText) -> str:
        """Return a text as it was added."""
        return "".join(map(self.vocabulary.text, entry.surfaces))

    def kinds(self) -> dict[str, int]:
        """Count the texts of each kind."""
        return dict(Counter(entry.origin.kind.value for entry in self.entries.values()))

    @property
    def is_held(self) -> NDArray[np.bool_]:
        """Which slots are those of held texts; one more row, so that slot -1, the asked file, is."""
        return np.frombuffer(bytes(self._is_held) + b"\1", np.bool_)

    @property
    def _has_fresh(self) -> bool:
        return self._indexed < self.tape.end

    def _due(self, most: int | None = None) -> Iterator[None] | None:
        """Return the merge of the newest segments that are not much smaller than the previous one, of `most` tokens.

        If half of the tape is dead, and `most` is not given, it is compacted first. Nothing has happened yet: each step
        does a slice. None if there is nothing to do.
        """
        if most is None and self.tape.end - ROOM > 2 * self.tokens + _MOST_DEAD:
            return self._compact()
        count, size = 1, sum(map(len, self._segments[-1:]))
        while count < len(self._segments):
            older = len(self._segments[-count - 1])
            if older >= size * _GROWTH or (most is not None and size + older > most):
                break
            count, size = count + 1, size + older
        return self._merge(len(self._segments) - count, count) if count > 1 else None

    def _merge(self, start: int, count: int) -> Iterator[None]:
        merged = yield from merging(self._segments[start : start + count], self.tape.slots, self.is_held)
        self._segments[start : start + count] = [merged] if len(merged) else []

    def _compact(self) -> Iterator[None]:
        """Remove dead texts from the tape; what comes meanwhile is behind the places that move."""
        keep = self.is_held[self.tape.slots[: self.tape.end]]
        to = keep.cumsum() - 1
        segments, moved = list(self._segments), list[Segment]()
        yield
        for segment in segments:
            moved.append(segment.moved(keep, to))
            yield
        shift = len(keep) - int(to[-1]) - 1
        late = [Segment(segment.keys, segment.order - shift) for segment in self._segments[len(moved) :]]
        self.tape = self.tape.without(keep)
        self._indexed -= shift
        self._segments = [segment for segment in [*moved, *late] if len(segment)]
