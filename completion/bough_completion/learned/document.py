"""The text around the cursor, as tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.corpus import Corpus
from bough_completion.learned.segment import Segment, indexed
from bough_completion.learned.tape import Places
from bough_completion.learned.tokens import BOUNDARY, NEWLINE, Tokens, split
from bough_completion.learned.vote import REACH
from bough_completion.query import Query
from bough_completion.text.indentation import indent_of, last_line

# Characters of the file that are read on each side of the cursor; the tape has room for no more.
_WINDOW = 64_000
# Weight of a vote from the file itself; one from another file has 1.
_WEIGHT = 4.0
# Factor by which a vote right at the cursor counts more.
_NEARNESS = 3.0
# Tokens from the cursor over which that factor falls to 1/e.
_NEAR_TOKENS = 800.0


@dataclass(frozen=True)
class Document:
    """A question, cut into tokens, on the corpus' tape.

    `typed` is the last token before the cursor, which may be incomplete, without the blanks before it; `spaced`: there
    are only blanks. `context` are the cores before it, newest first. `ending` is the core after the cursor on its line,
    `cursor` the place of the cursor on the tape.
    """

    segment: Segment
    context: tuple[int, ...]
    typed: str
    spaced: bool
    ending: int
    cursor: int

    def weights(self, places: Places) -> NDArray[np.float64]:
        """Return the weights of votes from places in the file itself."""
        nearness = np.exp(-np.abs(places - self.cursor) / _NEAR_TOKENS)
        weights: NDArray[np.float64] = _WEIGHT * (1.0 + _NEARNESS * nearness)
        return weights


class Documents:
    """Cut queries into tokens; lines that did not change since the last query are not cut again."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._vocabulary = corpus.vocabulary
        self._known: tuple[str, str] | None = None
        self._parts: list[Tokens] = []
        self._segment = indexed(corpus.tape, 1, 1)
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
        return Document(self._segment, context, stripped, bool(typed) and not stripped, ending, len(self._parts[0]) + 1)

    def surfaces(self) -> Tokens | None:
        """Return the tokens of the last file, without the line of the cursor; None if it was truncated."""
        return np.concatenate(self._parts) if self._is_whole and self._parts else None

    def _index(self, above: str, below: str) -> None:
        if self._known == (above, below):
            return
        encode, tape = self._vocabulary.encode, self._corpus.tape
        self._parts = [encode(above + "\n"), encode(below + "\n")]
        self._segment = indexed(tape, 1, tape.lay(self._parts))
        last = len(self._parts[0])
        newest: Tokens = tape.cores[max(1, last - REACH) : last][::-1]
        self._above = (*map(int, newest), BOUNDARY)
        self._known = (above, below)


def _column(text: str) -> int:
    """Return where the last non-blank line starts."""
    return len(indent_of(last_line(text)))
