"""Join tokens to lines, the likeliest line first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count as counter
from time import monotonic

import numpy as np

from bough_completion.affinity import Affinity
from bough_completion.corpus import Corpus
from bough_completion.document import Document
from bough_completion.query import Query
from bough_completion.segment import Positions, Segment
from bough_completion.tokens import BOUNDARY, NEWLINE, SHALLOWER, Tokens
from bough_completion.vote import ENOUGH, REACH, Votes, count

_BEGINNINGS = 8192
"""So many words that begin as typed are looked up."""
_PLACES = 1_000
"""Of more places in one segment, those that agree less than enough others do are passed over."""
_MOST_PLACES = 8_000
"""So many places in one segment may vote."""
_FEW = 8
"""With fewer places after the last two tokens, those after the last one are asked as well."""
_EXPANSIONS = 24
"""So many beginnings of lines are continued before the search gives up."""
_LEAST_CHANCE = 0.02
_LEAST_SHARE = 0.1
"""Lines with less than this share of the chance of the first one are not looked for."""


@dataclass(frozen=True)
class Line:
    """The beginning of a line: its text, the cores up to its end (newest first), its chance.

    `foreign` is the slot of a teammate's text without which it would not have been found, else -1. `begun` tells that
    the token which the member was typing is whole, `ended` that the line is.
    """

    text: str
    context: tuple[int, ...]
    chance: float = 1.0
    foreign: int = -1
    begun: bool = False
    ended: bool = False
    agreement: int = 0
    voted: Votes | None = None


class Search:
    """Answer one query; what it reads of the corpus must not change meanwhile."""

    def __init__(
        self, corpus: Corpus, affinity: Affinity, document: Document, query: Query, is_stopped: Callable[[], bool]
    ) -> None:
        self._vocabulary = corpus.vocabulary
        self._document = document
        self._own, self._is_live = affinity.weights(query)
        self._segments = [*corpus.segments(), document.segment]
        self._deadline = monotonic() + query.patience
        self._is_stopped = is_stopped

    def lines(self, start: Line) -> Iterator[Line]:
        """Yield the lines that continue `start`, the likeliest first.

        When the time is over before the first line has come to its end, the best beginning is yielded.
        """
        order, found = counter(), 0.0
        frontier = [(-start.chance, next(order), start)]
        for _ in range(_EXPANSIONS):
            while frontier and frontier[0][2].ended:
                found = found or frontier[0][2].chance
                yield heapq.heappop(frontier)[2]
            if not frontier or self._is_stopped():
                return
            best = heapq.heappop(frontier)[2]
            if best.chance < found * _LEAST_SHARE:
                return
            if monotonic() > self._deadline:
                yield best
                return
            for grown in self._grow(best):
                heapq.heappush(frontier, (-grown.chance, next(order), grown))

    def break_after(self, line: Line) -> tuple[int, float]:
        """Return the likeliest core of the line break after a line, and its chance; BOUNDARY if none was ever seen."""
        votes = self._votes(line)
        breaks = votes.rows(np.flatnonzero((votes.cores >= NEWLINE) & (votes.cores <= SHALLOWER)))
        outcome = count(breaks, breaks.cores, self._is_live)
        if not len(outcome.surfaces):
            return BOUNDARY, 0.0
        return int(outcome.surfaces[0]), float(outcome.chances[0])

    def _grow(self, line: Line) -> Iterator[Line]:
        """Yield the line with each likely next token."""
        votes = self._votes(line)
        outcome = count(votes, votes.surfaces, self._is_live)
        cores = self._vocabulary.cores(outcome.surfaces)
        chances = outcome.chances * line.chance
        for row in range(int(np.searchsorted(-chances, -_LEAST_CHANCE))):
            core = int(cores[row])
            foreign = line.foreign if line.foreign >= 0 else int(outcome.foreign[row])
            grown = replace(line, chance=float(chances[row]), foreign=foreign, begun=True, voted=votes)
            if core == self._document.ending or core <= SHALLOWER:
                agreement = votes.agreements[votes.surfaces == outcome.surfaces[row]].max()
                yield replace(grown, ended=True, agreement=int(agreement))
            else:
                text = line.text + self._written(int(outcome.surfaces[row]), line)
                yield replace(grown, text=text, context=(core, *line.context)[:REACH])

    def _written(self, surface: int, line: Line) -> str:
        """Return what of a token is still to be written."""
        text = self._vocabulary.text(surface)
        if line.begun:
            return text
        if self._document.typed or self._document.spaced:
            text = text.lstrip(" \t")
        return text[len(self._document.typed) :]

    def _votes(self, line: Line) -> Votes:
        """Return the votes for what follows a line: of the places that voted for its end, where they are enough."""
        if line.voted is not None:
            votes = line.voted if line.ended else line.voted.after(line.context[0])
            if line.ended or len(votes.places) >= _FEW:
                return votes
        context = np.array(line.context, np.int32)
        return Votes.joined([self._ballot(segment, context, line.begun) for segment in self._segments])

    def _ballot(self, segment: Segment, context: Tokens, begun: bool) -> Votes:
        """Return the votes of one segment for what follows a context."""
        typing = not begun and self._document.typed
        places = self._beginnings(segment, context) if typing else _followers(segment, context)
        if segment is self._document.segment:
            slots, weights = np.full(len(places), -1, np.int32), self._document.weights(places)
        else:
            slots = segment.slots[places]
            weights = self._own[slots]
            speaking = np.flatnonzero(weights)
            places, weights, slots = places[speaking], weights[speaking], slots[speaking]
        return Votes([segment], [len(places)], places, segment.agreement(places, context), weights, slots)

    def _beginnings(self, segment: Segment, context: Tokens) -> Positions:
        """Return the places of the words that begin as typed, at best those after the last token."""
        words = self._vocabulary.starting_with(self._document.typed, _BEGINNINGS)
        places = segment.places_of_any(words, int(context[0]))
        if len(places) >= _FEW:
            return _narrowed(segment, places, context, 1)
        return _narrowed(segment, segment.places_of_any(words), context, 0)


def _followers(segment: Segment, context: Tokens) -> Positions:
    """Return the places after the last token, at best after the last two."""
    last = int(context[0])
    places = segment.places(last, int(context[1])) if len(context) > 1 else segment.places(last)
    agreed = 2 if len(context) > 1 else 1
    if len(places) < _FEW:
        places, agreed = segment.places(last), 1
    places = places + 1
    return _narrowed(segment, places[places < len(segment)], context, agreed)


def _narrowed(segment: Segment, places: Positions, context: Tokens, agreed: int) -> Positions:
    """Return the places that agree further, where they are many, as long as enough are left; then every n-th."""
    for depth in range(agreed, len(context)):
        if len(places) <= _PLACES:
            break
        deeper = places[segment.cores[places - depth - 1] == context[depth]]
        if len(deeper) < ENOUGH:
            break
        places = deeper
    return places[:: max(1, -(-len(places) // _MOST_PLACES))]
