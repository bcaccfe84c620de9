"""Count what became of suggestions: shown, accepted, kept in the next commit. The counts stay on this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import takewhile

from bough_completion.metrics import Suggested
from msgspec import field

from bough_daemon.api import records
from bough_daemon.errors import StoreDamaged
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

log = logging.getLogger(__name__)

WAITING = 500  # accepted suggestions of one working tree that wait for a commit; beyond these the oldest are dropped
LONGEST = 4000  # characters of a waiting suggestion


class ReadableTree(records.UseRecord):
    """The counts of one working tree. `waiting`: path, text before, accepted text. `base`: HEAD when last seen."""

    base: str = ""
    waiting: list[tuple[str, str, str]] = field(default_factory=list)


class UseLog:
    """Count what became of suggestions, by working tree, in one small file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._trees: dict[str, ReadableTree] = {}
        self._changed = False
        try:
            self._trees = read_record(path, dict[str, ReadableTree])
        except FileNotFoundError:
            pass
        except (OSError, StoreDamaged) as failure:
            log.warning("counting suggestions from zero, as %s cannot be read: %s", path, failure)

    def note(self, root: str, use: Suggested) -> None:
        """Count a suggestion that was shown or accepted."""
        tree = self._trees.setdefault(root, ReadableTree(root, time.time()))
        self._changed = True
        if not use.accepted:
            tree.shown += 1
            return
        tree.accepted += 1
        tree.accepted_characters += len(use.text)
        if len(use.before) + len(use.text) <= LONGEST:
            tree.waiting.append((use.path, use.before, use.text))
            del tree.waiting[:-WAITING]

    def awaited(self, root: str) -> set[str]:
        """Return the paths whose next commit is awaited; the empty path means suggestions in unknown files."""
        tree = self._trees.get(root)
        return {path for path, _, _ in tree.waiting} if tree is not None else set()

    def moved(self, root: str, base: str) -> str:
        """Record where HEAD is now; return its previous value, empty if unknown."""
        tree = self._trees.setdefault(root, ReadableTree(root, time.time()))
        before, tree.base = tree.base, base
        self._changed |= before != base and tree.shown > 0
        return before

    def settle(self, root: str, texts: Mapping[str, str | None]) -> None:
        """Count how much of the accepted suggestions a commit has kept in the files it changed."""
        tree = self._trees[root]
        left = []
        for path, before, text in tree.waiting:
            found = [texts[path]] if path in texts else list(texts.values()) if not path else []
            if not found:
                left.append((path, before, text))
                continue
            tree.committed += 1
            tree.committed_characters += len(text)
            tree.kept_characters += max(kept_characters(before, text, one or "") for one in found)
            self._changed = True
        tree.waiting = left

    def uses(self) -> list[records.UseRecord]:
        """Return the counts of every working tree."""
        told = records.UseRecord.__struct_fields__
        used = [tree for _, tree in sorted(self._trees.items()) if tree.shown]
        return [records.UseRecord(**{name: getattr(tree, name) for name in told}) for tree in used]

    def save(self) -> None:
        """Save the counts if they have changed."""
        if self._changed:
            self._changed = False
            with suppress(OSError):  # counting is not worth a failure
                write_whole(self._path, as_json(self._trees))


def kept_characters(before: str, text: str, committed: str) -> int:
    """Return how many characters of an accepted suggestion a committed file still has.

    `before`: the text before it on its line. A line counts in full if the file has it in any indentation; else the part
    that the most similar line shares with its beginning counts, if that is at least half of it.
    """
    lines = {line.strip() for line in committed.split("\n")}
    kept = 0
    for number, line in enumerate(text.split("\n")):
        lead = before.lstrip() if number == 0 else ""
        whole = (lead + line).strip()
        if whole in lines:
            kept += len(line) + (number > 0)
            continue
        shared = max((_shared(whole, one) for one in lines if one.startswith(lead)), default=0) - len(lead)
        kept += shared if 2 * shared >= len(line.strip()) else 0
    return kept


def _shared(left: str, right: str) -> int:
    """Return the length of the common prefix of two texts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
