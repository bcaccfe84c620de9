"""Join tokens to lines, likeliest line first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from time import monotonic

import numpy as np

from bough_completion.learned.affinity import Affinity
from bough_completion.learned.corpus import Corpus
from bough_completion.learned.document import Document
from bough_completion.learned.segment import Segment
from bough_completion.learned.tape import Places
from bough_completion.learned.tokens import BOUNDARY, NEWLINE, SHALLOWER, Tokens
from bough_completion.learned.vote import ENOUGH, REACH, Count, Votes
from bough_completion.query import Query

# Words beginning with what was typed that are looked up.
_BEGINNINGS = 8192
# Places in one segment above which those are skipped that agree less than enough others.
_PLACES = 1_000
# Places in one segment that may vote.
_MOST_PLACES = 8_000
# Places after the last two tokens below which those after the last one vote too.
_FEW = 8
# Beginnings of lines that are continued before the search gives up.
_EXPANSIONS = 24
_LEAST_CHANCE = 0.02
# Share of the best line's probability below which a line is not searched for.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Line:
    """The beginning of a line: its text, the cores up to its end (newest first), its chance.

    `foreign` is the slot of a teammate's text without which it would not have been found, else -1. `begun`: the token
    which the member was typing is complete; `ended`: the line is.
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
    """Answer one query; the corpus must not change meanwhile."""

    def __init__(
        self, corpus: Corpus, affinity: Affinity, document: Document, query: Query, is_stopped: Callable[[], bool]
    ) -> None:
        self._vocabulary = corpus.vocabulary
        self._document = document
        self._weights, is_live = affinity.weights(query)
        self._segments = corpus.segments()
        self._tape = corpus.tape
        self._count = Count(len(self._vocabulary), is_live)
        self._deadline = monotonic() + query.patience
        self._is_stopped = is_stopped

    def lines(self, start: Line) -> Iterator[Line]:
        """Yield the lines that continue `start`, likeliest first.

        If the time is over before the first line is complete, the best beginning is yielded.
        """
        order, found = count(), 0.0
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
        breaks = votes.rows(((votes.cores >= NEWLINE) & (votes.cores <= SHALLOWER)).nonzero()[0])
        outcome = next(iter(self._count(breaks, breaks.cores, 0.0)), None)
        return (outcome.token, outcome.chance) if outcome is not None else (BOUNDARY, 0.0)

    def _grow(self, line: Line) -> Iterator[Line]:
        """Yield the line with each likely next token."""
        votes = self._votes(line)
        for outcome in self._count(votes, votes.surfaces, _LEAST_CHANCE / line.chance):
            core, chance = self._vocabulary.core(outcome.token), outcome.chance * line.chance
            foreign = line.foreign if line.foreign >= 0 else outcome.foreign
            if core == self._document.ending or core <= SHALLOWER:
                agreement = int(votes.agreements[votes.surfaces == outcome.token].max())
                yield Line(line.text, line.context, chance, foreign, True, True, agreement, votes)
            else:
                text = line.text + self._written(outcome.token, line)
                yield Line(text, (core, *line.context)[:REACH], chance, foreign, True, voted=votes)

    def _written(self, surface: int, line: Line) -> str:
        """Return the part of a token that is still to be written."""
        text = self._vocabulary.text(surface)
        if line.begun:
            return text
        if self._document.typed or self._document.spaced:
            text = text.lstrip(" \t")
        return text[len(self._document.typed) :]

    def _votes(self, line: Line) -> Votes:
        """Return the votes for what follows a line: of the places that voted for its end, if they are enough."""
        if line.voted is not None:
            votes = line.voted if line.ended else line.voted.after(line.context[0])
            if line.ended or len(votes.places) >= _FEW:
                return votes
        context = np.array(line.context, np.int32)
        own, *others = [self._places(segment, line) for segment in (self._document.segment, *self._segments)]
        places = np.concatenate([own, *others])
        weights = self._weights[self._tape.slots[places]]
        weights[: len(own)] = self._document.weights(own)
        if not weights.all():
            speaking = weights.nonzero()[0]
            places, weights = places[speaking], weights[speaking]
        return Votes(self._tape, places, self._tape.agreement(places, context), weights)

    def _places(self, segment: Segment, line: Line) -> Places:
        """Return the places in one segment of what may follow a line.

        Each segment is searched separately, so that the few newest texts, which have their own segments, count.
        """
        if not line.begun and self._document.typed:
            return self._beginnings(segment, line.context)
        return self._followers(segment, line.context)

    def _beginnings(self, segment: Segment, context: Sequence[int]) -> Places:
        """Return the places of the words that begin as typed, if possible after the last token."""
        places = segment.places_of_any(self._words, context[0])
        if len(places) >= _FEW:
            return self._narrowed(places, context, 1)
        return self._narrowed(segment.places_of_any(self._words), context, 0)

    def _followers(self, segment: Segment, context: Sequence[int]) -> Places:
        """Return the places after the last token, if possible after the last two."""
        agreed = min(2, len(context))
        places = segment.places(*context[:agreed])
        if len(places) < _FEW:
            places, agreed = segment.places(context[0]), 1
        return self._narrowed(places + 1, context, agreed)

    @cached_property
    def _words(self) -> Tokens:
        return self._vocabulary.starting_with(self._document.typed, _BEGINNINGS)

    def _narrowed(self, places: Places, context: Sequence[int], agreed: int) -> Places:
        """Return the places that agree further, if they are many, as long as enough are left; then every n-th."""
        for depth in range(agreed, len(context)):
            if len(places) <= _PLACES:
                break
            deeper = places[self._tape.cores[places - depth - 1] == context[depth]]
            if len(deeper) < ENOUGH:
                break
            places = deeper
        return places[:: max(1, -(-len(places) // _MOST_PLACES))]
