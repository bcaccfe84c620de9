"""The text around the cursor, as tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.indentation import indent_of, last_line
from bough_completion.query import Query
from bough_completion.segment import Piece, Positions, Segment, indexed
from bough_completion.tokens import BOUNDARY, NEWLINE, Tokens, Vocabulary, split
from bough_completion.vote import REACH

_WINDOW = 64_000
"""Characters of the file that are read before the cursor, and as many after it."""
_WEIGHT = 4.0
"""A vote of the file itself, where one of another file weighs 1."""
_NEARNESS = 3.0
"""A vote next to the cursor weighs so much more times as much."""
_NEAR_TOKENS = 800.0
"""So far from the cursor, what is near weighs 1/e of that."""


@dataclass(frozen=True)
class Document:
    """What was asked, cut into tokens.

    `typed` is the last token before the cursor, which may not be whole yet, without the blanks before it; `spaced`
    tells that there are blanks and nothing else. `context` are the cores before it, the newest first. `ending` is the
    core that stands after the cursor in its line, `cursor` the place of the cursor in the segment.
    """

    segment: Segment
    context: tuple[int, ...]
    typed: str
    spaced: bool
    ending: int
    cursor: int

    def weights(self, places: Positions) -> NDArray[np.float64]:
        """Return what the votes of places in the file itself weigh."""
        nearness = np.exp(-np.abs(places - self.cursor) / _NEAR_TOKENS)
        weights: NDArray[np.float64] = _WEIGHT * (1.0 + _NEARNESS * nearness)
        return weights


class Documents:
    """Cut queries into tokens; the lines that did not change since the last query are not cut again."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._known: tuple[str, str] | None = None
        self._segment = indexed([], vocabulary)
        self._cursor = 0
        self._above: tuple[int, ...] = ()
        self._is_whole = False

    def read(self, query: Query) -> Document:
        """Return the document of a query."""
        above, _, line = query.prefix[-_WINDOW:].rpartition("\n")
        tail, _, below = query.suffix[:_WINDOW].partition("\n")
        self._index(above, below)
        self._is_whole = len(query.prefix) <= _WINDOW and len(query.suffix) <= _WINDOW
        pieces = split("\n" + line)
        typed = pieces.pop() if len(pieces) > 1 else ""
        written = self._vocabulary.cores(self._vocabulary.encode("".join(pieces)), _column(above))
        context = (*map(int, written[::-1]), *self._above)[:REACH]
        rest = self._vocabulary.cores(self._vocabulary.encode(tail.strip()))
        ending = int(rest[0]) if len(rest) else NEWLINE
        stripped = typed.lstrip(" \t")
        return Document(self._segment, context, stripped, bool(typed) and not stripped, ending, self._cursor)

    def surfaces(self) -> Tokens | None:
        """Return the tokens of the file that was read last, without the line of the cursor; None if it was cut."""
        return np.concatenate([piece.surfaces for piece in self._segment.pieces]) if self._is_whole else None

    def _index(self, above: str, below: str) -> None:
        if self._known == (above, below):
            return
        encode = self._vocabulary.encode
        head = encode(above + "\n")
        self._segment = indexed([Piece(0, head), Piece(0, encode(below + "\n"))], self._vocabulary)
        self._cursor = len(head) + 1
        newest: Tokens = self._segment.cores[max(0, len(head) - REACH) : len(head)][::-1]
        self._above = (*map(int, newest), BOUNDARY)
        self._known = (above, below)


def _column(text: str) -> int:
    """Return where the last line starts that is not blank."""
    return len(indent_of(last_line(text)))
