"""Texts side by side in arrays, sorted so that what follows a token is found by two binary searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.tokens import BOUNDARY, Tokens, Vocabulary

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """The surfaces of one text; `slot` is the number its owner knows it by."""

    slot: int
    surfaces: Tokens


class Segment:
    """An immutable run of texts with an index over it.

    `surfaces`, `cores` and `slots` are parallel, int32[tokens]. The index holds every position sorted by its core and
    the core before it, so that one range is all places of a token, and a range in it all places after a given one.
    """

    def __init__(self, pieces: Sequence[Piece], vocabulary: Vocabulary) -> None:
        self.pieces = pieces
        boundary = np.array([BOUNDARY], np.int32)
        parts = [part for piece in pieces for part in (boundary, piece.surfaces)] + [boundary]
        sizes = [len(piece.surfaces) + 1 for piece in pieces]
        self.surfaces: Tokens = np.concatenate(parts)
        self.slots = np.repeat(np.array([piece.slot for piece in pieces] + [0], np.int32), [*sizes, 1])
        self.cores = vocabulary.cores(self.surfaces)
        keys = self.cores.astype(np.int64) << 32
        keys[1:] |= self.cores[:-1]
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def __len__(self) -> int:
        return len(self.surfaces)

    def places_of_any(self, cores: Tokens, before: int | None = None) -> Positions:
        """Return where any of `cores` stands, or where one stands right after `before`."""
        low = cores.astype(np.int64) << 32
        high = low + (1 << 32)
        if before is not None:
            low |= before
            high = low + 1
        starts, ends = np.searchsorted(self._keys, low), np.searchsorted(self._keys, high)
        sizes = ends - starts
        offsets = np.repeat(ends - sizes.cumsum(), sizes)
        return self._order[offsets + np.arange(len(offsets))]

    def places(self, core: int, before: int | None = None) -> Positions:
        """Return where `core` stands, or where it stands right after `before`."""
        low = core << 32 if before is None else core << 32 | before
        high = (core + 1) << 32 if before is None else low + 1
        start, end = np.searchsorted(self._keys, (low, high))
        return self._order[start:end]

    def agreement(self, places: Positions, context: Tokens) -> NDArray[np.int64]:
        """Return for each place how many tokens before it equal `context`, which lists the newest first."""
        length = np.zeros(len(places), np.int64)
        live, at = np.arange(len(places)), places
        for depth, core in enumerate(context):
            at = at - 1
            hit = self.cores[at] == core
            live, at = live[hit], at[hit]
            if not len(live):
                break
            length[live] = depth + 1
        return length
