"""The data of one repository: its texts, as each engine reads them, and the fate of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bough_completion.learned.engine import RepositoryEngine
from bough_completion.metrics import Metrics
from bough_completion.prompt.context import Context
from bough_completion.prompt.template import Prompt
from bough_completion.query import Query, Stats, Suggestion
from bough_completion.wire import Blob


class KnownRepository:
    """One repository. One thread at a time may use it, except `metrics`, `is_given_out` and `is_open`."""

    def __init__(self, name: str) -> None:
        self.metrics = Metrics()
        self._engine = RepositoryEngine()
        self._context = Context(name)

    def take(self, blob: Blob) -> None:
        """Learn or forget a blob."""
        if blob.text is None:
            self._engine.drop(blob.path, blob.origin)
            self._context.drop(blob.path, blob.origin)
        else:
            self._engine.put(blob.path, blob.text, blob.origin)
            self._context.put(blob.path, blob.text, blob.origin)

    def tidy_some(self) -> bool:
        """Update the index by one step, and return whether there is more to do."""
        return self._engine.tidy_some()

    def is_given_out(self, path: str) -> bool:
        """Return whether the daemon released this file of the member's own."""
        return self._context.is_given_out(path)

    def is_open(self, path: str) -> bool:
        """Return whether a file is open in the member's editor."""
        return self._context.is_open(path)

    def answer(self, query: Query, is_stopped: Callable[[], bool]) -> list[Suggestion]:
        """Return the repository engine's answer."""
        return self._engine.complete(query, is_stopped)

    def prompt(self, query: Query, room: int, leaves: bool) -> Prompt:
        """Return a model's prompt for a question (see `Context.prompt`)."""
        return self._context.prompt(query, room, leaves)

    def stats(self) -> Stats:
        """Return statistics about held texts and answers."""
        use = self.metrics
        held = self._engine.stats()
        return replace(held, shown=use.shown, accepted=use.accepted, accepted_characters=use.characters)
