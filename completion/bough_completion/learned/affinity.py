"""The weight of each text's votes for a question asked in one file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from bough_completion.learned.corpus import Corpus, CorpusText
from bough_completion.learned.definitions import defined_otherwise
from bough_completion.query import BUFFER, SAVED, BlobKind, Query

_WORD = re.compile(r"[^\W\d]\w+")
# Weight of a vote from a file with another suffix; one with the same suffix has 1.
_OTHER_SUFFIX = 0.25
# Lines above the cursor whose words are evidence that a teammate's change matters here.
_NEAR_LINES = 20


class Affinity:
    """Weigh the texts of a corpus, and remember the weights until the corpus changes."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._known: tuple[str, int] | None = None
        self._own = np.ones(1)
        self._changed: dict[tuple[int, int], frozenset[str]] = {}

    def weights(self, query: Query) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Return a weight for each slot, 0 for a text that must not be used, and which slots are live branches, if any.

        Both have one more row for slot -1, the asked file.
        """
        key = (query.path, self._corpus.version)
        if self._known != key:
            self._own = self._weigh(query.path)
            self._known = key
        live = self._corpus.live()
        if not live:
            return self._own, None
        weights, is_live = self._own.copy(), np.zeros(len(self._own), np.bool_)
        near = set(_WORD.findall("\n".join(query.prefix.rsplit("\n", _NEAR_LINES)[1:])))
        for entry in live:
            is_live[entry.slot] = True
            weights[entry.slot] = float(entry.path == query.path or bool(near & self._evidence(entry)))
        return weights, is_live

    def _evidence(self, entry: CorpusText) -> frozenset[str]:
        """Return the names that a teammate's text defines differently from the member's own."""
        own = self._corpus.own(entry.path)
        key = (entry.slot, own.slot if own else -1)
        if key not in self._changed:
            if len(self._changed) > 2 * len(self._corpus.entries):
                self._changed.clear()
            ours = self._corpus.text(own) if own else ""
            self._changed[key] = defined_otherwise(self._corpus.text(entry), ours)
        return self._changed[key]

    def _weigh(self, path: str) -> NDArray[np.float64]:
        """Return the weights of the member's own texts."""
        corpus = self._corpus
        weights = corpus.is_held.astype(np.float64)
        weights[:-1] *= np.where(corpus.suffixes.equal(splitext(path)[1]), 1.0, _OTHER_SUFFIX)
        for entry in self._outdated(path):
            weights[entry.slot] = 0.0
        return weights

    def _outdated(self, path: str) -> Iterator[CorpusText]:
        """Yield the texts that the query, the editor or the saved file has in a newer version."""
        entries = self._corpus.entries
        for at, origin in entries:
            if origin.kind is BlobKind.BUFFER and (at, SAVED) in entries:
                yield min(entries[at, origin], entries[at, SAVED], key=attrgetter("slot"))
        yield from (entries[key] for key in ((path, SAVED), (path, BUFFER)) if key in entries)
