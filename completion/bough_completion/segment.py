"""Texts side by side in arrays, sorted so that what follows a token is found by two binary searches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.tokens import BOUNDARY, Tokens, Vocabulary

Positions = NDArray[np.int64]

_SLICE = 200_000
"""Tokens of the largest segment that are merged in one go."""


@dataclass(frozen=True)
class Piece:
    """The surfaces of one text; `slot` is the number its owner knows it by."""

    slot: int
    surfaces: Tokens


@dataclass(frozen=True)
class Segment:
    """An immutable run of texts with an index over it.

    `surfaces`, `cores` and `slots` are parallel, int32[tokens]. `order` holds every position sorted by its key, the
    core that stands there and the core before it, so that one range is all places of a token, and a range in it all
    places after a given one. `keys`, int64[tokens], are the keys in that order.
    """

    pieces: Sequence[Piece]
    surfaces: Tokens
    slots: NDArray[np.int32]
    cores: Tokens
    keys: NDArray[np.int64]
    order: Positions

    def __len__(self) -> int:
        return len(self.surfaces)

    def places_of_any(self, cores: Tokens, before: int | None = None) -> Positions:
        """Return where any of `cores` stands, or where one stands right after `before`."""
        low = cores.astype(np.int64) << 32
        high = low + (1 << 32)
        if before is not None:
            low |= before
            high = low + 1
        starts, ends = np.searchsorted(self.keys, low), np.searchsorted(self.keys, high)
        sizes = ends - starts
        offsets = np.repeat(ends - sizes.cumsum(), sizes)
        return self.order[offsets + np.arange(len(offsets))]

    def places(self, core: int, before: int | None = None) -> Positions:
        """Return where `core` stands, or where it stands right after `before`."""
        low = core << 32 if before is None else core << 32 | before
        high = (core + 1) << 32 if before is None else low + 1
        start, end = np.searchsorted(self.keys, (low, high))
        return self.order[start:end]

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


def indexed(pieces: Sequence[Piece], vocabulary: Vocabulary) -> Segment:
    """Return the segment of some texts."""
    boundary = np.array([BOUNDARY], np.int32)
    parts = [part for piece in pieces for part in (boundary, piece.surfaces)] + [boundary]
    sizes = [len(piece.surfaces) + 1 for piece in pieces]
    surfaces: Tokens = np.concatenate(parts)
    slots = np.repeat(np.array([piece.slot for piece in pieces] + [0], np.int32), [*sizes, 1])
    cores = vocabulary.cores(surfaces)
    keys = cores.astype(np.int64) << 32
    keys[1:] |= cores[:-1]
    order = np.argsort(keys)
    return Segment(pieces, surfaces, slots, cores, keys[order], order)


def merging(segments: Sequence[Segment], is_held: NDArray[np.bool_]) -> Generator[None, None, Segment]:
    """Merge segments a slice at a time, so that a question need not wait for the whole; return the merged one.

    `is_held[slot]` tells which texts are still held. A slice takes about 20 ms, whatever the size.
    """
    kept, moved, start = [], [], 0
    for segment in segments:
        keep = is_held[segment.slots]
        keep[-1] = segment is segments[-1]
        kept.append(keep)
        moved.append(keep.cumsum() + (start - 1))
        start = int(moved[-1][-1]) + 1
        yield
    surfaces = np.concatenate([segment.surfaces[keep] for segment, keep in zip(segments, kept, strict=True)])
    yield
    cores = np.concatenate([segment.cores[keep] for segment, keep in zip(segments, kept, strict=True)])
    slots = np.concatenate([segment.slots[keep] for segment, keep in zip(segments, kept, strict=True)])
    yield
    keys, order, done = [], [], [0] * len(segments)
    largest = max(segments, key=len)
    for bound in [*map(int, largest.keys[_SLICE::_SLICE]), np.iinfo(np.int64).max]:
        ends = [int(np.searchsorted(segment.keys, bound, side="right")) for segment in segments]
        runs = [slice(begin, end) for begin, end in zip(done, ends, strict=True)]
        found = [segment.order[run] for segment, run in zip(segments, runs, strict=True)]
        held = [keep[places] for keep, places in zip(kept, found, strict=True)]
        run_keys = np.concatenate([each.keys[run][hold] for each, run, hold in zip(segments, runs, held, strict=True)])
        places = np.concatenate([to[at[hold]] for to, at, hold in zip(moved, found, held, strict=True)])
        sorting = np.argsort(run_keys, kind="stable")
        keys.append(run_keys[sorting])
        order.append(places[sorting])
        done = ends
        yield
    pieces = [piece for segment in segments for piece in segment.pieces if is_held[piece.slot]]
    return Segment(pieces, surfaces, slots, cores, np.concatenate(keys), np.concatenate(order))
