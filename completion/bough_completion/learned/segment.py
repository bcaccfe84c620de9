"""The places of each token on the tape, sorted so that what follows a token is found by two binary searches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.tape import Places, Tape
from bough_completion.learned.tokens import Tokens

# Tokens of the largest segment that is merged in one step.
_SLICE = 200_000


@dataclass(frozen=True)
class Segment:
    """An index over some of the places of a tape.

    `order`, int64[places], holds them sorted by their keys, the core at the place and the core before it, so that one
    range has all places of a token, and a range in it all places after a given one. `keys`, int64[places], are the keys
    in that order.
    """

    keys: NDArray[np.int64]
    order: Places

    def __len__(self) -> int:
        return len(self.order)

    def places_of_any(self, cores: Tokens, before: int | None = None) -> Places:
        """Return the places of any of `cores`, sorted, or of those directly after `before`."""
        low = cores.astype(np.int64) << 32
        high = low + (1 << 32)
        if before is not None:
            low |= before
            high = low + 1
        starts, ends = self.keys.searchsorted(low), self.keys.searchsorted(high)
        sizes = ends - starts
        offsets = np.repeat(ends - sizes.cumsum(), sizes)
        return self.order[offsets + np.arange(len(offsets))]

    def places(self, core: int, before: int | None = None) -> Places:
        """Return the places of `core`, or those directly after `before`."""
        low = core << 32 if before is None else core << 32 | before
        high = (core + 1) << 32 if before is None else low + 1
        start, end = self.keys.searchsorted(np.array((low, high)))
        return self.order[start:end]

    def moved(self, keep: NDArray[np.bool_], to: Places) -> Segment:
        """Return the index of a tape whose places have moved or vanished; both arrays say so for each."""
        kept = keep[self.order]
        return Segment(self.keys[kept], to[self.order[kept]])


def indexed(tape: Tape, start: int, end: int) -> Segment:
    """Return the index over the places from `start` to `end`, which are preceded by another place."""
    keys = tape.cores[start:end].astype(np.int64) << 32
    keys |= tape.cores[start - 1 : end - 1]
    order = keys.argsort()
    return Segment(keys[order], order + start)


def merging(
    segments: Sequence[Segment], slots: NDArray[np.int32], is_held: NDArray[np.bool_]
) -> Generator[None, None, Segment]:
    """Merge segments a slice at a time, so that a question need not wait for the whole; return the merged one.

    `slots` are those of the tape; `is_held[slot]` says which texts are still held. A slice takes about 20 ms, whatever
    the size.
    """
    keys, order, done = [], [], [0] * len(segments)
    largest = max(segments, key=len)
    for bound in [*map(int, largest.keys[_SLICE::_SLICE]), np.iinfo(np.int64).max]:
        ends = [int(segment.keys.searchsorted(bound, side="right")) for segment in segments]
        runs = [slice(begin, end) for begin, end in zip(done, ends, strict=True)]
        places = np.concatenate([segment.order[run] for segment, run in zip(segments, runs, strict=True)])
        run_keys = np.concatenate([segment.keys[run] for segment, run in zip(segments, runs, strict=True)])
        held = is_held[slots[places]]
        places, run_keys = places[held], run_keys[held]
        sorting = run_keys.argsort(kind="stable")
        keys.append(run_keys[sorting])
        order.append(places[sorting])
        done = ends
        yield
    return Segment(np.concatenate(keys), np.concatenate(order))
