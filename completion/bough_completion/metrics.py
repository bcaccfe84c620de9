"""Count how useful the answers are: how many were shown, and how many became text. The counts stay on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bough_completion.query import Query

_BUFFERS = 32
# Uses kept for a watcher that does not read.
_UNREAD = 1000


@dataclass(frozen=True)
class Suggested:
    """A suggestion that was shown or accepted. `before`: the text before it on its line."""

    path: str
    before: str
    text: str
    accepted: bool = False


@dataclass(frozen=True)
class _Shown:
    """What was shown, the text before it, and how often its line was in the buffer at that time."""

    prefix: str
    use: Suggested
    stood: int

    @property
    def whole(self) -> str:
        return self.prefix + self.use.text

    @property
    def line(self) -> str:
        return self.use.before + self.use.text


@dataclass
class Metrics:
    """Count the answers that were certain enough to be shown, by what is later seen of the same file.

    An answer is accepted when all of it is where it was shown, typed or inserted.
    """

    shown: int = 0
    accepted: int = 0
    characters: int = 0
    _open: dict[Hashable, _Shown] = field(default_factory=dict)

    def see(self, buffer: Hashable, query: Query) -> Suggested | None:
        """Learn from a new question what became of the answer last shown in its buffer; return it if accepted."""
        last = self._open.get(buffer)
        if last is None:
            return None
        if query.prefix.startswith(last.whole):
            return self._accept(buffer)
        if query.prefix.startswith(last.prefix) and last.whole.startswith(query.prefix):
            return None  # it is being typed
        if (query.prefix + query.suffix).count(last.line) > last.stood:
            return self._accept(buffer)
        del self._open[buffer]
        return None

    def look(self, path: str, text: str) -> Iterator[Suggested]:
        """Learn from the text of a file, as saved or as in an editor; yield what was accepted."""
        for buffer, last in list(self._open.items()):
            if last.use.path == path and (text.startswith(last.whole) or text.count(last.line) > last.stood):
                yield self._accept(buffer)

    def show(self, buffer: Hashable, query: Query, text: str) -> Suggested | None:
        """Count an answer and return it; the rest of one that the member types through is not counted again."""
        last = self._open.get(buffer)
        if last is not None and last.whole == query.prefix + text:
            return None
        self.shown += 1
        use = Suggested(query.path, query.prefix.rpartition("\n")[2], text)
        stood = (query.prefix + query.suffix).count(use.before + text)
        self._open[buffer] = _Shown(query.prefix, use, stood)
        if len(self._open) > _BUFFERS:
            del self._open[next(iter(self._open))]
        return use

    def _accept(self, buffer: Hashable) -> Suggested:
        use = self._open.pop(buffer).use
        self.accepted += 1
        self.characters += len(use.text)
        return Suggested(use.path, use.before, use.text, accepted=True)


class Uses:
    """Publish what becomes of suggestions to all watchers, on the event loop."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[tuple[str, Suggested]]] = set()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[tuple[str, Suggested]]]:
        """Yield a queue that gets every (repository, use) until the end of the block; unread, the oldest are lost."""
        uses: asyncio.Queue[tuple[str, Suggested]] = asyncio.Queue(_UNREAD)
        self._watchers.add(uses)
        try:
            yield uses
        finally:
            self._watchers.discard(uses)

    def tell(self, repository: str, use: Suggested | None) -> None:
        """Publish a use, unless it is None."""
        if use is None:
            return
        for uses in self._watchers:
            if uses.full():
                uses.get_nowait()
            uses.put_nowait((repository, use))
