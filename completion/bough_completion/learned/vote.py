"""Predict the next token from the places that agree with the context: the longer they agree, the more they decide.

The blend is that of prediction by partial matching (Cleary and Witten, 1984): the votes of the places that agree on at
least n tokens are smoothed with the blend for fewer tokens, from 0 up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.tape import Places, Tape
from bough_completion.learned.tokens import Tokens

# Tokens of context that are compared at most.
REACH = 32
_STEPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
_LEVEL = np.searchsorted(_STEPS, np.arange(REACH + 1), side="right") - 1
# Votes above which those that agree less do not count.
ENOUGH = 256
# For each step, the weight in votes of the blend for fewer tokens: the longer the agreement, the smaller.
_SMOOTHING = [6 / (1 + step) for step in _STEPS]


@dataclass(frozen=True)
class Votes:
    """Parallel arrays, one row for each place on the tape that votes for its token.

    `agreements`: how many tokens before the place equal the context; `weights`: the weight of the vote.
    """

    tape: Tape
    places: Places
    agreements: NDArray[np.int64]
    weights: NDArray[np.float64]

    @cached_property
    def cores(self) -> Tokens:
        """Return the cores at the places."""
        return self.tape.cores[self.places]

    @cached_property
    def surfaces(self) -> Tokens:
        """Return the surfaces at the places, all line breaks as one."""
        return self.tape.surfaces[self.places]

    def rows(self, rows: NDArray[np.int64]) -> Votes:
        """Return some of the votes."""
        return Votes(self.tape, self.places[rows], self.agreements[rows], self.weights[rows])

    def after(self, core: int) -> Votes:
        """Return the votes for what follows, of the places that voted for `core`; not 0, the end of a text."""
        votes = self.rows((self.cores == core).nonzero()[0])
        return Votes(self.tape, votes.places + 1, np.minimum(votes.agreements + 1, REACH), votes.weights)


@dataclass(frozen=True)
class Outcome:
    """A token and its chance; `foreign` is the slot of a live branch, where nothing else voted for it, else -1."""

    token: int
    chance: float
    foreign: int


class Count:
    """Count votes repeatedly: arrays as long as the vocabulary are allocated once."""

    def __init__(self, words: int, is_live: NDArray[np.bool_] | None) -> None:
        """Create the arrays; there are `words` tokens, and `is_live[slot]` marks the texts of live branches, if any."""
        self._row_of = np.empty(words, np.int64)
        self._is_live = is_live

    def __call__(self, votes: Votes, tokens: Tokens, least: float) -> list[Outcome]:
        """Return the chances from the votes for `tokens`, one for each vote: those of `least` and more, highest first.

        The chances leave room for unseen tokens. If many places agree far, those that agree less would change nothing
        and are not counted.
        """
        levels = _LEVEL[votes.agreements]
        weights, places = votes.weights, votes.places
        if len(tokens) > ENOUGH:
            rows = np.bincount(levels, minlength=len(_STEPS))[::-1].cumsum()[::-1]
            kept = (levels >= (rows >= ENOUGH).nonzero()[0][-1]).nonzero()[0]
            tokens, levels, weights, places = tokens[kept], levels[kept], weights[kept], places[kept]
        worth = np.array(blended(np.bincount(levels, weights, len(_STEPS)).tolist()), np.float64)
        self._row_of[tokens] = np.arange(len(tokens))
        row_of = self._row_of[tokens]  # one row for each token, that of its last vote
        chances = np.bincount(row_of, weights * worth[levels])
        rows = (chances >= least).nonzero()[0]
        rows = rows[(-chances[rows]).argsort()]
        foreign = [-1] * len(rows) if self._is_live is None else self._foreign(row_of, votes.tape.slots[places], rows)
        return list(map(Outcome, tokens[rows].tolist(), chances[rows].tolist(), foreign))

    def _foreign(self, row_of: NDArray[np.int64], slots: NDArray[np.int32], rows: NDArray[np.int64]) -> list[int]:
        """Return for each of `rows` a slot that voted for it, if all that did are live branches."""
        assert self._is_live is not None
        own = row_of[~self._is_live[slots]]
        return [-1 if (own == row).any() else int(slots[row]) for row in rows]


def blended(votes: Sequence[float]) -> list[float]:
    """Return the value of one vote of each step, a chance, given how many votes agree exactly so far.

    The chance of a token, over all votes and over those that agree at least as far as each step, is smoothed step by
    step; as each step adds a multiple of its own votes, so does each vote.
    """
    worth, total = [0.0] * len(votes), sum(votes)
    for step, here in enumerate(votes):
        if total <= 0.0:
            break
        whole = total + _SMOOTHING[step]
        worth = [each * _SMOOTHING[step] / whole for each in worth]
        for deeper in range(step, len(worth)):
            worth[deeper] += 1 / whole
        total -= here
    return worth
