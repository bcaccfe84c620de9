"""Build a model's prompt for one question, the stable parts first, so that a keystroke changes only the end.

It consists of the texts that were fed, and of the file with the cursor; nothing else is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import basename

from bough_completion.learned.definitions import defined_otherwise, definitions
from bough_completion.prompt.edits import RecentEdits
from bough_completion.prompt.outline import definitions_in, imports_in, means
from bough_completion.prompt.template import Prompt
from bough_completion.query import BUFFER, SAVED, BlobKind, Origin, Query

_KEPT = 65_536
# The text before the cursor is cut to its last 65,536 characters, in steps of 32,768; the window cuts it further.
_SNAP = 32_768
# Characters of the longest text that is kept.
_LONGEST = 1_000_000
# Characters at the top of a file that are searched for its imports.
_HEAD = 8_000
# The names in the 16 to 32 lines above the cursor are evidence; the first line moves by 16, so that it seldom moves.
_NEAR_LINES = 16
_WORD = re.compile(r"[^\W\d]\w+")
# Shares of the room for other files; what one part leaves unused goes to the next.
_SIGNATURES, _OPEN, _EDITS, _LIVE = 0.4, 0.15, 0.25, 0.2


@dataclass
class Context:
    """The texts of one repository, as they were fed. One thread at a time may use it."""

    repository: str = ""
    _own: dict[tuple[str, BlobKind], str] = field(default_factory=dict)
    _live: dict[tuple[str, str], str] = field(default_factory=dict)
    _edits: RecentEdits = field(default_factory=RecentEdits)
    _evidence: dict[tuple[str, str], tuple[str, str, frozenset[str]]] = field(default_factory=dict)

    def put(self, path: str, text: str, origin: Origin = SAVED) -> None:
        """Add a text, replacing the previous one of the path and origin; for a very long one, only its existence."""
        text = text if len(text) <= _LONGEST else ""
        if origin.kind is BlobKind.LIVE:
            self._live[path, origin.member] = text
        elif origin.kind is not BlobKind.COMMIT:
            before = self.own(path)
            if before is not None:
                self._edits.see(path, before, text)
            self._own.pop((path, origin.kind), None)
            self._own[path, origin.kind] = text

    def drop(self, path: str, origin: Origin = SAVED) -> None:
        """Forget a text."""
        self._own.pop((path, origin.kind), None)
        self._live.pop((path, origin.member), None)

    def own(self, path: str) -> str | None:
        """Return the member's own text of a file, the editor's before the disk's; None if it was not fed."""
        return self._own.get((path, BUFFER.kind), self._own.get((path, SAVED.kind)))

    def is_given_out(self, path: str) -> bool:
        """Return whether the daemon released a file; a buffer alone may be of one that it withholds."""
        return (path, SAVED.kind) in self._own

    def is_open(self, path: str) -> bool:
        """Return whether a file is open in the member's editor."""
        return (path, BUFFER.kind) in self._own

    def prompt(self, query: Query, room: int, leaves: bool = False) -> Prompt:
        """Return the prompt for a question; `room` is how many characters other files may take.

        If the prompt `leaves` this machine, it includes only files that the daemon released.
        """
        above, line_break, typed = query.prefix.rpartition("\n")
        above += line_break
        start = -((_KEPT - len(above)) // _SNAP) * _SNAP if len(above) > _KEPT else 0
        return Prompt(
            before=above[above.find("\n", start) + 1 :] if start else above,
            after=query.suffix[:_KEPT],
            begun=typed,
            path=query.path,
            files=tuple(self._files(query, above, room, leaves)),
            repository=basename(self.repository),
        )

    def _files(self, query: Query, above: str, room: int, leaves: bool) -> Iterator[tuple[str, str]]:
        """Yield other files, the least changing first."""
        left = 0.0
        own = (
            (_SIGNATURES, self._imported(query, above)),
            (_OPEN, self._open(query)),
            (_EDITS, self._edits.others(query.path)),
        )
        parts = [(share, (each for each in files if not leaves or self.is_given_out(each[0]))) for share, files in own]
        seen = set[str]()
        for share, files in (*parts, (_LIVE, self._teammates(query, above))):
            left += share * room
            for path, text in files:
                size = len(path) + len(text) + 2
                if size <= left and text not in seen:
                    left -= size
                    seen.add(text)
                    yield path, text

    def _imported(self, query: Query, above: str) -> Iterator[tuple[str, str]]:
        """Yield the signatures of what the file imports."""
        found = imports_in(query.path, above[:_HEAD])
        if not found:
            return
        for path in dict.fromkeys(path for path, _ in sorted(self._own, key=lambda key: key[0])):
            named = frozenset[str]().union(*(each.words for each in found if means(each, path)))
            if not named or path == query.path:
                continue
            offered = definitions_in(path, self.own(path) or "")
            wanted = [each.text for each in offered if {each.name, each.within} & named] or [
                each.text for each in offered
            ]
            if wanted:
                yield path, "\n".join(wanted)

    def _open(self, query: Query) -> Iterator[tuple[str, str]]:
        """Yield the signatures in the other files that are open in the editor."""
        for path, text in sorted((path, text) for (path, kind), text in self._own.items() if kind is BUFFER.kind):
            offered = "\n".join(each.text for each in definitions_in(path, text))
            if path != query.path and offered:
                yield path, offered

    def _teammates(self, query: Query, above: str) -> Iterator[tuple[str, str]]:
        """Yield what teammates define differently, if it is named near the cursor or is in the same file."""
        if not self._live:
            return
        lines = above.split("\n")
        start = max(0, len(lines) // _NEAR_LINES - 1) * _NEAR_LINES
        near = set(_WORD.findall("\n".join(lines[start:])))
        for path, member in sorted(self._live):
            changed = self._changed(path, member)
            wanted = changed if path == query.path else changed & near
            if wanted:
                bodies = definitions(self._live[path, member])
                yield path, "\n".join(body for name in sorted(wanted) for body in bodies.get(name, ()))

    def _changed(self, path: str, member: str) -> frozenset[str]:
        theirs, ours = self._live[path, member], self.own(path) or ""
        known = self._evidence.get((path, member))
        if known is None or known[:2] != (theirs, ours):
            known = self._evidence[path, member] = (theirs, ours, defined_otherwise(theirs, ours))
        return known[2]
