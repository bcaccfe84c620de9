"""The engine that needs no model: it continues a line as the repository continued lines like it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count as counter
from time import monotonic

import numpy as np

from bough_completion.affinity import Affinity
from bough_completion.corpus import Corpus
from bough_completion.document import Document, Documents
from bough_completion.query import SAVED, Origin, Query, Stats, Suggestion
from bough_completion.segment import Positions, Segment
from bough_completion.tokens import NEWLINE, Tokens
from bough_completion.vote import REACH, Outcome, Votes, count

_BEGINNINGS = 4096
"""So many words that begin as typed are looked up."""
_PLACES = 4000
"""So many places in one segment may vote."""
_BUFFER_WEIGHT = 4.0
_EXPANSIONS = 48
_LEAST_CHANCE = 0.02
_SHOWN_FROM = 0.35


@dataclass(frozen=True)
class _Hypothesis:
    text: str
    context: tuple[int, ...]
    chance: float
    foreign: int = -1
    begun: bool = False


class RepositoryEngine:
    """Learn from blobs and complete from them; not for use by several threads at once."""

    def __init__(self) -> None:
        self._corpus = Corpus()
        self._affinity = Affinity(self._corpus)
        self._documents = Documents(self._corpus.vocabulary)

    def put(self, path: str, text: str, origin: Origin = SAVED) -> None:
        """Learn the text of a blob, in place of what that path and origin held before."""
        self._corpus.put(path, text, origin)

    def drop(self, path: str, origin: Origin = SAVED) -> None:
        """Forget a blob; one that was never there is no error."""
        self._corpus.drop(path, origin)

    def stats(self) -> Stats:
        """Return how much is held."""
        return Stats(len(self._corpus.entries), self._corpus.tokens, len(self._corpus.vocabulary), self._corpus.kinds())

    def complete(self, query: Query) -> list[Suggestion]:
        """Return what may follow the cursor, the likeliest first."""
        return _Search(self._corpus, self._affinity, self._documents.read(query), query).run()


class _Search:
    """Walk the likeliest continuation first, token by token, until enough lines have come to their end."""

    def __init__(self, corpus: Corpus, affinity: Affinity, document: Document, query: Query) -> None:
        self._corpus = corpus
        self._document = document
        self._query = query
        self._segments = corpus.segments()
        self._weights, self._is_live = affinity.weights(query)

    def run(self) -> list[Suggestion]:
        deadline = monotonic() + self._query.patience
        order = counter()
        start = _Hypothesis("", self._document.context, 1.0)
        frontier = [(-start.chance, next(order), start, False)]
        found: list[Suggestion] = []
        for _ in range(_EXPANSIONS):
            while frontier and frontier[0][3]:
                best = heapq.heappop(frontier)[2]
                if best.text.strip():
                    found.append(self._suggestion(best))
            if not frontier or len(found) >= self._query.limit or monotonic() > deadline:
                break
            hypothesis = heapq.heappop(frontier)[2]
            for grown, ended in self._grow(hypothesis):
                heapq.heappush(frontier, (-grown.chance, next(order), grown, ended))
        return found[: self._query.limit]

    def _suggestion(self, hypothesis: _Hypothesis) -> Suggestion:
        entry = self._corpus.by_slot[hypothesis.foreign] if hypothesis.foreign >= 0 else None
        source = f"live:{entry.origin.member}" if entry else "repository"
        return Suggestion(hypothesis.text, hypothesis.chance, source, shown=hypothesis.chance >= _SHOWN_FROM)

    def _grow(self, hypothesis: _Hypothesis) -> list[tuple[_Hypothesis, bool]]:
        outcome = self._next(hypothesis)
        cores = self._corpus.vocabulary.cores(outcome.surfaces)
        grown = []
        for surface, core, chance, foreign in zip(
            outcome.surfaces, cores, outcome.chances * hypothesis.chance, outcome.foreign, strict=True
        ):
            if chance < _LEAST_CHANCE:
                break
            ended = core == self._document.ending or core <= NEWLINE
            text = hypothesis.text if ended else hypothesis.text + self._written(int(surface), hypothesis)
            context = (int(core), *hypothesis.context)[:REACH]
            source = hypothesis.foreign if hypothesis.foreign >= 0 else int(foreign)
            grown.append((_Hypothesis(text, context, float(chance), source, True), bool(ended)))
        return grown

    def _written(self, surface: int, hypothesis: _Hypothesis) -> str:
        """Return what of a token is still to be written."""
        text = self._corpus.vocabulary.text(surface)
        if hypothesis.begun:
            return text
        if self._document.typed or self._document.spaced:
            text = text.lstrip(" \t")
        return text[len(self._document.typed) :]

    def _next(self, hypothesis: _Hypothesis) -> Outcome:
        context = np.array(hypothesis.context, np.int32)
        rows = [self._votes(segment, context, hypothesis.begun) for segment in self._segments]
        rows.append(self._votes(self._document.segment, context, hypothesis.begun))
        votes = Votes(
            np.concatenate([row.surfaces for row in rows]),
            np.concatenate([row.agreements for row in rows]),
            np.concatenate([row.weights for row in rows]),
            np.concatenate([row.slots for row in rows]),
        )
        return count(votes, self._is_live)

    def _votes(self, segment: Segment, context: Tokens, begun: bool) -> Votes:
        places = (
            self._followers(segment, context) if begun or not self._document.typed else self._begun(segment, context)
        )
        own = segment is self._document.segment
        slots = segment.slots[places]
        weights = np.full(len(places), _BUFFER_WEIGHT) if own else self._weights[slots]
        if own:
            slots = np.full(len(places), -1, np.int32)
        speaking = np.flatnonzero(weights)
        if len(speaking) < len(places):
            places, weights, slots = places[speaking], weights[speaking], slots[speaking]
        surfaces = segment.surfaces[places]
        surfaces = np.where(segment.cores[places] == NEWLINE, np.int32(NEWLINE), surfaces)
        return Votes(surfaces, segment.agreement(places, context), weights, slots)

    def _followers(self, segment: Segment, context: Tokens) -> Positions:
        """Return the places after the last token, at best after the last two."""
        last, before = int(context[0]), int(context[1]) if len(context) > 1 else None
        places = segment.places(last, before)
        if len(places) < 8:
            places = segment.places(last)
        places = _thinned(places, _PLACES) + 1
        return places[places < len(segment)]

    def _begun(self, segment: Segment, context: Tokens) -> Positions:
        """Return the places of the words that begin as typed, at best those after the last token."""
        words = self._corpus.vocabulary.starting_with(self._document.typed, _BEGINNINGS)
        found = [segment.places(word, int(context[0])) for word in words]
        places = np.concatenate([*found, np.zeros(0, np.int64)])
        return _thinned(places, _PLACES)


def _thinned(places: Positions, limit: int) -> Positions:
    """Return every n-th place, so that no more than `limit` are left."""
    step = -(-len(places) // limit) if len(places) else 1
    return places[::step]
