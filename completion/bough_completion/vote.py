"""What comes next, by the places that agree with the context: the longer they agree, the more they decide.

The blend is that of prediction by partial matching (Cleary and Witten, 1984): the votes of the places that agree on
at least n tokens are smoothed with the blend for fewer tokens, from 0 up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bough_completion.tokens import Tokens

REACH = 32
"""No more tokens of context than this are compared."""
_STEPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
_LEVEL = np.searchsorted(_STEPS, np.arange(REACH + 1), side="right") - 1
_ENOUGH = 256
"""With so many votes, those that agree less are not counted."""
_SMOOTHING = [12 / (1 + step) for step in _STEPS]
"""Of each step, what the blend for fewer tokens weighs, in votes: the longer the agreement, the less."""


@dataclass(frozen=True)
class Votes:
    """Parallel arrays, one row for each place: what stands there, how far it agrees, what its vote weighs, its text."""

    surfaces: Tokens
    agreements: NDArray[np.int64]
    weights: NDArray[np.float64]
    slots: NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """Parallel arrays, the likeliest first: tokens and their chances, which leave room for what was never seen."""

    surfaces: Tokens
    chances: NDArray[np.float64]
    foreign: NDArray[np.int32]
    """A slot of a live branch, where nothing else voted for the token; else -1."""


def strongest(votes: Votes) -> Votes:
    """Return the votes that agree most, enough of them that the others would change nothing."""
    if len(votes.surfaces) <= _ENOUGH:
        return votes
    rows = np.bincount(_LEVEL[votes.agreements], minlength=len(_STEPS))[::-1].cumsum()[::-1]
    least = _STEPS[int(np.flatnonzero(rows >= _ENOUGH)[-1])]
    kept = np.flatnonzero(votes.agreements >= least)
    return Votes(votes.surfaces[kept], votes.agreements[kept], votes.weights[kept], votes.slots[kept])


def count(votes: Votes, is_live: NDArray[np.bool_]) -> Outcome:
    """Return what the votes say; `is_live[slot]` tells the texts of live branches."""
    votes = strongest(votes)
    words, word_of = np.unique(votes.surfaces, return_inverse=True)
    levels = len(_STEPS)
    cells = word_of * levels + _LEVEL[votes.agreements]
    exact = np.bincount(cells, votes.weights, minlength=len(words) * levels).reshape(-1, levels)
    at_least = exact[:, ::-1].cumsum(axis=1)[:, ::-1]
    totals = at_least.sum(axis=0)
    chances = np.zeros(len(words))
    for level in range(levels):
        if totals[level] == 0.0:
            break
        chances = (at_least[:, level] + _SMOOTHING[level] * chances) / (totals[level] + _SMOOTHING[level])
    best = np.argsort(-chances)
    foreign = np.full(len(words), -1, np.int32)
    live = is_live[votes.slots]
    if live.any():
        foreign[word_of[live]] = votes.slots[live]
        foreign[word_of[~live]] = -1
    return Outcome(words[best].astype(np.int32), chances[best], foreign[best])
