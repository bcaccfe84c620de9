"""What comes next, by the places that agree with the context: the longer they agree, the more they decide.

The blend is that of prediction by partial matching (Cleary and Witten, 1984): the votes of the places that agree on
at least n tokens are smoothed with the blend for fewer tokens, from 0 up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bough_completion.segment import Positions, Segment
from bough_completion.tokens import NEWLINE, SHALLOWER, Tokens

REACH = 32
"""No more tokens of context than this are compared."""
_STEPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
_LEVEL = np.searchsorted(_STEPS, np.arange(REACH + 1), side="right") - 1
ENOUGH = 256
"""With so many votes, those that agree less are not counted."""
_SMOOTHING = [6 / (1 + step) for step in _STEPS]
"""Of each step, what the blend for fewer tokens weighs, in votes: the longer the agreement, the less."""


@dataclass(frozen=True)
class Votes:
    """Parallel arrays, one row for each place that votes for the token which stands there.

    The rows are in the order of `segments`, `sizes` of them in each. `agreements` says how many tokens before the place
    are those of the context, `weights` what the vote weighs, `slots` which text it is from.
    """

    segments: Sequence[Segment]
    sizes: Sequence[int]
    places: Positions
    agreements: NDArray[np.int64]
    weights: NDArray[np.float64]
    slots: NDArray[np.int32]

    @staticmethod
    def joined(parts: Sequence[Votes]) -> Votes:
        """Return the votes of several segments as one."""
        return Votes(
            [segment for part in parts for segment in part.segments],
            [size for part in parts for size in part.sizes],
            np.concatenate([part.places for part in parts]),
            np.concatenate([part.agreements for part in parts]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.slots for part in parts]),
        )

    @cached_property
    def cores(self) -> Tokens:
        """Return the cores that stand at the places."""
        return np.concatenate([segment.cores[places] for segment, places in self._by_segment()])

    @cached_property
    def surfaces(self) -> Tokens:
        """Return the surfaces that stand at the places, all line breaks as one."""
        surfaces = np.concatenate([segment.surfaces[places] for segment, places in self._by_segment()])
        return np.where(self.cores <= SHALLOWER, np.int32(NEWLINE), surfaces)

    def rows(self, rows: NDArray[np.int64]) -> Votes:
        """Return some of the votes."""
        sizes = np.diff(np.searchsorted(rows, np.cumsum([0, *self.sizes])))
        return Votes(
            self.segments,
            [int(size) for size in sizes],
            self.places[rows],
            self.agreements[rows],
            self.weights[rows],
            self.slots[rows],
        )

    def after(self, core: int) -> Votes:
        """Return the votes for what comes next, of the places that voted for `core`; not 0, the end of a text."""
        votes = self.rows(np.flatnonzero(self.cores == core))
        return replace(votes, places=votes.places + 1, agreements=np.minimum(votes.agreements + 1, REACH))

    def _by_segment(self) -> Iterator[tuple[Segment, Positions]]:
        ends = np.cumsum(self.sizes)
        for segment, size, end in zip(self.segments, self.sizes, ends, strict=True):
            yield segment, self.places[end - size : end]


@dataclass(frozen=True)
class Outcome:
    """Parallel arrays, the likeliest first: tokens and their chances, which leave room for what was never seen."""

    surfaces: Tokens
    chances: NDArray[np.float64]
    foreign: NDArray[np.int32]
    """A slot of a live branch, where nothing else voted for the token; else -1."""


def count(votes: Votes, tokens: Tokens, is_live: NDArray[np.bool_]) -> Outcome:
    """Return what the votes for `tokens`, one of each vote, say; `is_live[slot]` tells the texts of live branches.

    Where many agree far, those that agree less would change nothing and are not counted.
    """
    agreements, weights, slots = votes.agreements, votes.weights, votes.slots
    if len(tokens) > ENOUGH:
        rows = np.bincount(_LEVEL[agreements], minlength=len(_STEPS))[::-1].cumsum()[::-1]
        least = _STEPS[int(np.flatnonzero(rows >= ENOUGH)[-1])]
        kept = np.flatnonzero(agreements >= least)
        tokens, agreements, weights, slots = tokens[kept], agreements[kept], weights[kept], slots[kept]
    words, word_of = np.unique(tokens, return_inverse=True)
    levels = len(_STEPS)
    cells = word_of * levels + _LEVEL[agreements]
    exact = np.bincount(cells, weights, minlength=len(words) * levels).reshape(-1, levels)
    at_least = exact[:, ::-1].cumsum(axis=1)[:, ::-1]
    chances = blended(at_least)
    best = np.argsort(-chances)
    foreign = np.full(len(words), -1, np.int32)
    live = is_live[slots]
    if live.any():
        foreign[word_of[live]] = slots[live]
        foreign[word_of[~live]] = -1
    return Outcome(words[best].astype(np.int32), chances[best], foreign[best])


def blended(at_least: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance of each token, a row of votes for it that agree at least so far as each step says."""
    totals = at_least.sum(axis=0)
    chances = np.zeros(len(at_least))
    for level in range(len(_STEPS)):
        if totals[level] == 0.0:
            break
        chances = (at_least[:, level] + _SMOOTHING[level] * chances) / (totals[level] + _SMOOTHING[level])
    return chances
