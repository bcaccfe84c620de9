"""All texts side by side, as arrays of tokens with random access."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.tokens import BOUNDARY, NEWLINE, SHALLOWER, Tokens, TokenTable

Places = NDArray[np.int64]

# Places at the beginning of the tape, for the file that the question is about.
ROOM = 131_072
# The slot of that file.
NOBODY = -1
# Up to so many places are compared at all depths at once.
_FEW = 128


class Tape:
    """Texts one after the other, each followed by BOUNDARY, and BOUNDARY before the first.

    `surfaces`, `cores` and `slots`, int32[places], are parallel; a slot is the owner's number for a text. All line
    breaks have one surface, as what follows a line is written by its core. Nothing may be read past `end`.
    """

    def __init__(self, vocabulary: TokenTable) -> None:
        self.vocabulary = vocabulary
        self.end = ROOM
        self.surfaces: Tokens = np.full(2 * ROOM, BOUNDARY, np.int32)
        self.cores: Tokens = np.full(2 * ROOM, BOUNDARY, np.int32)
        self.slots = np.full(2 * ROOM, NOBODY, np.int32)

    def append(self, slot: int, surfaces: Tokens) -> None:
        """Add a text; its places can be used once `complete` has given them their cores."""
        start, self.end = self.end, self.end + len(surfaces) + 1
        if self.end >= len(self.surfaces):
            grown = np.zeros(self.end + 1, np.int32)  # double the size, plus the text
            self.surfaces, self.cores, self.slots = (
                np.concatenate([column, grown]) for column in (self.surfaces, self.cores, self.slots)
            )
        self.surfaces[start : self.end - 1] = surfaces
        self.surfaces[self.end - 1] = BOUNDARY
        self.slots[start : self.end] = slot

    def complete(self, start: int) -> None:
        """Compute the cores of all places from `start` on, where a text starts."""
        self._give_cores(start, self.end)

    def lay(self, texts: list[Tokens]) -> int:
        """Write the parts of the asked file, BOUNDARY around each; return where they end."""
        at = 1
        for surfaces in texts:
            self.surfaces[at : at + len(surfaces)] = surfaces
            at += len(surfaces)
            self.surfaces[at] = BOUNDARY
            at += 1
        self._give_cores(1, at)
        return at

    def agreement(self, places: Places, context: Tokens) -> NDArray[np.int64]:
        """Return for each place how many tokens before it equal `context`, which lists the newest first."""
        length = np.zeros(len(places), np.int64)
        rows, at = np.arange(len(places)), places
        for depth, core in enumerate(context):
            if len(rows) <= _FEW:
                rest = context[depth:]
                before = self.cores[at[:, None] - np.arange(1, len(rest) + 1)]
                differs = np.ones((len(rows), len(rest) + 1), np.bool_)
                np.not_equal(before, rest, out=differs[:, :-1])
                length[rows] = depth + differs.argmax(axis=1)
                break
            at = at - 1
            hits = (self.cores[at] == core).nonzero()[0]
            rows, at = rows[hits], at[hits]
            length[rows] = depth + 1
        return length

    def without(self, keep: NDArray[np.bool_]) -> Tape:
        """Return a shorter tape; `keep` says for each place, up to some end of this one, whether it stays."""
        shorter = Tape(self.vocabulary)
        shorter.surfaces, shorter.cores, shorter.slots = (
            np.concatenate([column[: len(keep)][keep], column[len(keep) : self.end + 1]])
            for column in (self.surfaces, self.cores, self.slots)
        )
        shorter.end = len(shorter.surfaces) - 1
        return shorter

    def _give_cores(self, start: int, end: int) -> None:
        cores = self.vocabulary.cores(self.surfaces[start:end])
        self.cores[start:end] = cores
        self.surfaces[start:end][cores <= SHALLOWER] = NEWLINE
