"""Detect saves that overwrote a fold whose result their author had not read: an editor's old buffer, a script.

Between reading a file and writing it back, a fold may have changed it. The save then lacks all that the fold brought to
that file, as if its author had removed it at once. Nobody does that, and types something else too, within a moment; so
such a save is treated as made before the fold, and is merged with it. A save that restores exactly the previous file is
an undo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property

from bough_merge.text.text import lines_of

WINDOW = 5.0  # seconds after a fold in which a save that lacks all of it is stale
REMEMBERED = 60.0  # seconds: a save may be checked long after it was made

Read = Callable[[str], bytes]
"""Return the content of a blob."""


@dataclass
class FoldedIn:
    """What a fold changed in one file, at a moment (seconds since the epoch). `before`, `after`: its blobs."""

    before: str
    after: str
    at: float
    read: Read = field(compare=False, repr=False)

    @cached_property
    def made(self) -> Counter[bytes]:
        """By line, how many more of it the fold has made; only lines whose number it changed."""
        made = Counter(lines_of(self.read(self.after)))
        made.subtract(lines_of(self.read(self.before)))
        return Counter({line: count for line, count in made.items() if count})


@dataclass
class RecentFolds:
    """Recent folds, by path, oldest first. `read`: reads their texts when they are needed."""

    read: Read
    _brought: dict[str, list[FoldedIn]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._brought)

    def note(self, path: str, before: str, after: str, now: float) -> None:
        """Remember that a fold changed a file from one blob to another."""
        self._brought.setdefault(path, []).append(FoldedIn(before, after, now, self.read))

    def paths(self, now: float) -> list[str]:
        """Return the files that recent folds changed."""
        fresh = {path: [one for one in of if now - one.at < REMEMBERED] for path, of in self._brought.items()}
        self._brought = {path: of for path, of in fresh.items() if of}
        return list(self._brought)

    def unseen(self, path: str, saved: str, at: float) -> list[FoldedIn]:
        """Return the folds that a save is missing, oldest first; none if it has them, or it is impossible to tell.

        `saved`: the blob that was saved; `at`: when (seconds since the epoch). Lines that one fold removed and a later
        one restored count as neither: a version from before both has them, too. What it costs depends on the sizes of
        the newest texts and of what the folds changed.
        """
        brought = self._brought.get(path, [])
        if not brought or saved == brought[-1].after or any(saved == one.before for one in brought):
            return []
        now, newest = (Counter(lines_of(self.read(blob))) for blob in (saved, brought[-1].after))
        lacking, unseen = _Lacking(now, newest), len(brought)
        for number in reversed(range(len(brought))):
            if at - brought[number].at >= WINDOW:
                break
            if lacking.with_one_more(brought[number].made):
                unseen = number
        return brought[unseen:]

    def without(self, paths: Collection[str]) -> RecentFolds:
        """Return these without some files."""
        return RecentFolds(self.read, {path: list(of) for path, of in self._brought.items() if path not in paths})

    def clear(self) -> None:
        """Forget all folds."""
        self._brought.clear()


@dataclass
class _Lacking:
    """Find out whether a text lacks all that the newest folds of a file made. `newest`: the lines after them."""

    now: Counter[bytes]
    newest: Counter[bytes]
    _made: Counter[bytes] = field(default_factory=Counter)
    _kept: set[bytes] = field(default_factory=set)  # lines that show that the text was written after a fold

    def with_one_more(self, made: Counter[bytes]) -> bool:
        """Return whether the text has nothing of what the folds added, one more now, and all that they removed."""
        for line, count in made.items():
            total = self._made[line] + count
            self._made[line] = total
            without = self.newest[line] - total
            if total and (self.now[line] > without if total > 0 else self.now[line] < without):
                self._kept.add(line)
            else:
                self._kept.discard(line)
            if not total:
                del self._made[line]
        return bool(self._made) and not self._kept
