"""The contents that were purged from one repository's store: they are neither recorded nor accepted again.

`purging` removes them; this module remembers them in a file next to the store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

WHY_HELD = "its content was purged; `bough allow` shares the path again"
WHY_NOT_RECORDED = "its content was purged: it is neither recorded nor shared until the file changes"


@dataclass(frozen=True)
class Record:
    """One purge that was carried out here. `by`: the member who asked for it; `at`: seconds since the epoch.

    `paths`: where the contents were. `contents`: how many blobs were purged; `digest` identifies them.
    """

    at: float
    by: str
    paths: tuple[str, ...]
    contents: int
    digest: str


@dataclass(frozen=True)
class _PurgedFile:
    ids: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    moved: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()


def digest_of(ids: Iterable[str]) -> str:
    """Return a digest that identifies some contents."""
    return hashlib.sha256("".join(sorted(ids)).encode()).hexdigest()


class Purged:
    """The purged contents of one repository. On the store's thread only, except `ids`.

    `ids`: of blobs. `held`: paths that are no longer shared because their file still had such a content. `moved`:
    commits that signed states named, and their replacements.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "purged.json")
        try:
            said = read_record(self._path, _PurgedFile)
        except FileNotFoundError:
            said = _PurgedFile()
        self.ids, self.held, self.moved, self.records = said.ids, said.held, said.moved, list(said.records)

    def note(self, ids: Iterable[str], held: Iterable[str]) -> None:
        """Record contents as purged, and keep some paths on this machine."""
        self.ids |= frozenset(ids)
        self.held |= frozenset(held)
        self._write()

    def moves(self, moved: Mapping[str, str]) -> None:
        """Remember the replacements of commits that signed states name."""
        self.moved = {**{old: moved.get(new, new) for old, new in self.moved.items()}, **moved}
        self._write()

    def add(self, record: Record) -> None:
        """Remember that a purge was carried out."""
        if record not in self.records:
            self.records.append(record)
            self._write()

    def _write(self) -> None:
        kept = {"ids": sorted(self.ids), "held": sorted(self.held), "moved": dict(self.moved), "records": self.records}
        write_whole(self._path, as_json(kept))
