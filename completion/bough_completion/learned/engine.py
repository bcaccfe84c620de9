"""The engine without a model: it continues a line as the repository continued similar lines."""

from __future__ import annotations

from collections.abc import Callable

from bough_completion.learned.affinity import Affinity
from bough_completion.learned.block import with_block
from bough_completion.learned.confidence import Evidence, evidence
from bough_completion.learned.corpus import Corpus, CorpusText
from bough_completion.learned.document import Documents
from bough_completion.learned.search import Line, Search
from bough_completion.query import BUFFER, SAVED, Origin, Query, Stats, Suggestion
from bough_completion.text.finish import fitting

# How many of the likeliest lines are compared with each other.
_CANDIDATES = 3
# Files kept from earlier questions until they are saved.
_REMEMBERED = 8
# Characters of the longest text that is learned.
_LONGEST = 1_000_000
# Average characters of a line above which a text is taken for a generated file.
_WIDEST = 1_000


class RepositoryEngine:
    """Learn from blobs and complete from them; one thread at a time may use it."""

    def __init__(self) -> None:
        self._corpus = Corpus()
        self._affinity = Affinity(self._corpus)
        self._documents = Documents(self._corpus)
        self._asked: tuple[str, CorpusText | None] = ("", None)
        self._remembered: list[str] = []

    def put(self, path: str, text: str, origin: Origin = SAVED) -> None:
        """Learn the text of a blob, replacing the previous one of the path and origin.

        Text that nobody typed teaches nothing: one that is very long, or has very long lines, is not learned.
        """
        if len(text) > _LONGEST or len(text) > _WIDEST * (text.count("\n") + 1):
            self._corpus.drop(path, origin)
        else:
            self._corpus.put(path, text, origin)

    def drop(self, path: str, origin: Origin = SAVED) -> None:
        """Forget a blob; a missing one is not an error."""
        self._corpus.drop(path, origin)

    def tidy(self) -> None:
        """Bring the index up to date now, so that the next query does not wait for it."""
        self._corpus.tidy()

    def tidy_some(self) -> bool:
        """Do a part of that, a few hundredths of a second long; return whether more may be left."""
        return self._corpus.tidy_some()

    def stats(self) -> Stats:
        """Return statistics."""
        return Stats(len(self._corpus.entries), self._corpus.tokens, len(self._corpus.vocabulary), self._corpus.kinds())

    def complete(self, query: Query, is_stopped: Callable[[], bool] = lambda: False) -> list[Suggestion]:
        """Return what may follow the cursor, likeliest first; less, and soon, once `is_stopped` returns true."""
        self._remember(query)
        document = self._documents.read(query)
        self._asked = query.path, self._corpus.own(query.path)
        search = Search(self._corpus, self._affinity, document, query, is_stopped)
        found: dict[str, tuple[Evidence, Line]] = {}
        for line in search.lines(Line("", document.context)):
            text = fitting(line.text, query.prefix, query.suffix)
            if text.strip() and text not in found:
                found[text] = evidence(line, text, query.prefix), line
            if len(found) == max(query.limit, _CANDIDATES):
                break
        ranked = sorted(found.values(), key=lambda proof_of: proof_of[0].score, reverse=True)
        return [self._suggestion(search, query, *best) for best in ranked[: query.limit]]

    def _suggestion(self, search: Search, query: Query, proof: Evidence, line: Line) -> Suggestion:
        """Return a line, with the block that it starts, ready to be inserted."""
        whole = line
        if query.max_lines > 1 and not query.suffix.partition("\n")[0].strip():
            whole = with_block(search, line, query.prefix, query.max_lines)
        text = fitting(whole.text, query.prefix, query.suffix, query.max_lines)
        return Suggestion(text, proof.confidence, self._source(whole), shown=line.ended and proof.is_shown)

    def _remember(self, query: Query) -> None:
        """Learn the previous file that was asked about: an editor may hold it unsaved and never report it.

        What was fed since then is newer and stays; only the last few are kept.
        """
        path, own = self._asked
        if path == query.path:
            return
        surfaces = self._documents.surfaces()
        if surfaces is not None and self._corpus.own(path) is own:
            self._corpus.learn(path, surfaces, BUFFER)
            self._remembered = [*(other for other in self._remembered if other != path), path]
            if len(self._remembered) > _REMEMBERED:
                self._corpus.drop(self._remembered.pop(0), BUFFER)

    def _source(self, line: Line) -> str:
        entry = self._corpus.by_slot[line.foreign] if line.foreign >= 0 else None
        return f"live:{entry.origin.member}" if entry else "repository"
