"""How much the vote of each text weighs for a question asked in one file."""

from __future__ import annotations

import re
from posixpath import dirname, splitext

import numpy as np
from numpy.typing import NDArray

from bough_completion.corpus import Corpus, Entry
from bough_completion.definitions import defined_otherwise
from bough_completion.query import Kind, Origin, Query

_WORD = re.compile(r"[^\W\d]\w+")
_NEAR_LINES = 20
"""Only words this near above the cursor are evidence that a teammate's change matters here."""


class Affinity:
    """Weigh the texts of a corpus, and remember the weights until the corpus changes."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._known: tuple[str, int] | None = None
        self._own = np.zeros(0)
        self._changed: dict[tuple[int, int], frozenset[str]] = {}

    def weights(self, query: Query) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return a weight for each slot, 0 for a text that may not speak, and which slots are live branches.

        The second array has one row more, so that slot -1, the document itself, is not live.
        """
        key = (query.path, self._corpus.version)
        if self._known != key:
            self._own = np.array([self._weight(entry, query.path) for entry in self._corpus.by_slot])
            self._known = key
        weights, is_live = self._own.copy(), np.zeros(len(self._own) + 1, np.bool_)
        near = set(_WORD.findall("\n".join(query.prefix.rsplit("\n", _NEAR_LINES)[1:])))
        for entry in self._corpus.live():
            is_live[entry.slot] = True
            weights[entry.slot] = float(entry.path == query.path or bool(near & self._evidence(entry)))
        return weights, is_live

    def _evidence(self, entry: Entry) -> frozenset[str]:
        """Return the names that a teammate's text defines otherwise than the member's own."""
        own = self._corpus.own(entry.path)
        key = (entry.slot, own.slot if own else -1)
        if key not in self._changed:
            if len(self._changed) > 2 * len(self._corpus.entries):
                self._changed.clear()
            ours = self._corpus.text(own) if own else ""
            self._changed[key] = defined_otherwise(self._corpus.text(entry), ours)
        return self._changed[key]

    def _weight(self, entry: Entry | None, path: str) -> float:
        if entry is None or entry.origin.kind is Kind.LIVE:
            return 0.0
        if entry.path == path and entry.origin.kind is not Kind.COMMIT:
            return 0.0  # the query holds the newest text of this file
        if entry.origin.kind is Kind.TREE and (entry.path, Origin(Kind.BUFFER)) in self._corpus.entries:
            return 0.0  # what the editor holds is newer
        weight = 2.0 if dirname(entry.path) == dirname(path) else 1.0
        return weight if splitext(entry.path)[1] == splitext(path)[1] else weight / 4
