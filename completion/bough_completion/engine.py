"""The engine that needs no model: it continues a line as the repository continued lines like it."""

from __future__ import annotations

from collections.abc import Callable

from bough_completion.affinity import Affinity
from bough_completion.block import with_block
from bough_completion.corpus import Corpus
from bough_completion.document import Documents
from bough_completion.finish import fitting, is_shown
from bough_completion.query import SAVED, Origin, Query, Stats, Suggestion
from bough_completion.search import Line, Search

_LONGEST = 1_000_000
"""Characters of the longest text that is learned."""
_WIDEST = 1_000
"""Characters that the lines of a text may have on average: more have only generated files."""


class RepositoryEngine:
    """Learn from blobs and complete from them; one thread at a time may use it."""

    def __init__(self) -> None:
        self._corpus = Corpus()
        self._affinity = Affinity(self._corpus)
        self._documents = Documents(self._corpus.vocabulary)

    def put(self, path: str, text: str, origin: Origin = SAVED) -> None:
        """Learn the text of a blob, in place of what that path and origin held before.

        What nobody typed teaches nothing: a text that is very long, or has very long lines, is not learned.
        """
        if len(text) > _LONGEST or len(text) > _WIDEST * (text.count("\n") + 1):
            self._corpus.drop(path, origin)
        else:
            self._corpus.put(path, text, origin)

    def drop(self, path: str, origin: Origin = SAVED) -> None:
        """Forget a blob; one that was never there is no error."""
        self._corpus.drop(path, origin)

    def tidy(self) -> None:
        """Bring the index up to date now, so that the next query does not wait for it."""
        self._corpus.tidy()

    def stats(self) -> Stats:
        """Return how much is held."""
        return Stats(len(self._corpus.entries), self._corpus.tokens, len(self._corpus.vocabulary), self._corpus.kinds())

    def complete(self, query: Query, is_stopped: Callable[[], bool] = lambda: False) -> list[Suggestion]:
        """Return what may follow the cursor, the likeliest first; less, and soon, once `is_stopped` says so."""
        document = self._documents.read(query)
        search = Search(self._corpus, self._affinity, document, query, is_stopped)
        found: dict[str, Suggestion] = {}
        for line in search.lines(Line("", document.context)):
            is_sure = line.ended and is_shown(line.chance)
            if query.max_lines > 1 and not query.suffix.partition("\n")[0].strip():
                line = with_block(search, line, query.prefix, query.max_lines)
            text = fitting(line.text, query.prefix, query.suffix, query.max_lines)
            if text.strip() and text not in found:
                found[text] = Suggestion(text, line.chance, self._source(line), shown=is_sure)
            if len(found) == query.limit:
                break
        return list(found.values())

    def _source(self, line: Line) -> str:
        entry = self._corpus.by_slot[line.foreign] if line.foreign >= 0 else None
        return f"live:{entry.origin.member}" if entry else "repository"
