"""The members' entries on disk: one entry per line, appended and synced before anyone sees it.

A kill can leave a partial line at the end, which is cut off. A file that is damaged in another way is copied, and the
rest is used: teammates have the same entries, and send what is missing.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable

from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import BadRecord, as_json, record_from
from bough_daemon.talk.entries import TalkEntry

log = logging.getLogger(__name__)

NAME, SEEN = "talk.jsonl", "talk-seen"


class LogFile:
    """The file of one team's entries, below its folder. `seen`: how many of them the user has been shown."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, NAME)
        self._seen_path = os.path.join(folder, SEEN)
        self._seen = 0
        with contextlib.suppress(OSError, ValueError), open(self._seen_path) as kept:
            self._seen = max(0, int(kept.read(20)))

    def load(self) -> list[TalkEntry]:
        """Return the entries in their order of arrival, and leave a file that can be appended to."""
        try:
            with open(self.path, "rb") as kept:
                lines = kept.read().split(b"\n")
        except FileNotFoundError:
            return []
        torn = lines.pop()
        entries = [entry for entry in map(_entry_in, lines) if entry is not None]
        if torn or len(entries) < len(lines):
            if len(entries) < len(lines):
                log.warning("%s is damaged: %d lines are left out", self.path, len(lines) - len(entries))
                write_whole(f"{self.path}.damaged", b"\n".join([*lines, torn]))
            write_whole(self.path, b"".join(map(_line, entries)))
        return entries

    def append(self, entries: Iterable[TalkEntry]) -> None:
        """Append new entries, synced; if that fails, none of it is left."""
        data = b"".join(map(_line, entries))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    @property
    def seen(self) -> int:
        """How many entries the user has been shown."""
        return self._seen

    def note_seen(self, count: int) -> None:
        """Record that the user has been shown the first `count` entries."""
        if count != self._seen:
            write_whole(self._seen_path, b"%d\n" % count)
            self._seen = count


def _line(entry: TalkEntry) -> bytes:
    return as_json(entry) + b"\n"


def _entry_in(line: bytes) -> TalkEntry | None:
    try:
        return record_from(line, TalkEntry)
    except BadRecord:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
