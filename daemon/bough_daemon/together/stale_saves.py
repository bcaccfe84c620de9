"""Saves that were written over a fold by somebody who had not read it: an editor's old buffer, a script.

Between reading a file and writing it back, a fold may have come into it. What is written then lacks all that the fold
brought to that file, as if its author had removed it at once. Nobody does so, and types something else as well, within
a moment of its coming; so such a save is taken for one that was made before the fold, and is folded with it. A save
that makes the file exactly what it was is an undo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from bough_merge.text.text import lines_of

WINDOW = 5.0  # seconds after a fold in which a save that lacks all of it has not seen it
REMEMBERED = 60.0  # seconds: a save may be looked at long after it was made


@dataclass(frozen=True)
class FoldedIn:
    """What a fold made of one file, at a moment (seconds since the epoch)."""

    before: bytes
    after: bytes
    at: float


@dataclass
class RecentFolds:
    """The folds of the last moments, by path, oldest first."""

    _brought: dict[str, list[FoldedIn]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._brought)

    def note(self, path: str, before: bytes, after: bytes, now: float) -> None:
        """Remember that a fold changed a file."""
        self._brought.setdefault(path, []).append(FoldedIn(before, after, now))

    def paths(self, now: float) -> list[str]:
        """Return the files that a fold changed lately."""
        fresh = {path: [one for one in of if now - one.at < REMEMBERED] for path, of in self._brought.items()}
        self._brought = {path: of for path, of in fresh.items() if of}
        return list(self._brought)

    def unseen(self, path: str, saved: bytes, at: float) -> tuple[bytes, bytes] | None:
        """Return the version that a save was made from, and the newest one, where it has not seen the folds between.

        `at`: when it was saved (seconds since the epoch). None where it has seen all of them, or cannot be told from an
        edit of what they brought.
        """
        brought = self._brought.get(path, [])
        read = len(brought)
        while read > 0 and at - brought[read - 1].at < WINDOW and lacks(saved, brought[read - 1]):
            read -= 1
        if read == len(brought) or any(saved == one.before for one in brought):
            return None
        return brought[read].before, brought[-1].after

    def without(self, paths: Collection[str]) -> RecentFolds:
        """Return the same without some files."""
        return RecentFolds({path: list(of) for path, of in self._brought.items() if path not in paths})

    def clear(self) -> None:
        """Forget all folds."""
        self._brought.clear()


def lacks(saved: bytes, brought: FoldedIn) -> bool:
    """Return whether a text has nothing of what a fold added to a file, and all that it took out."""
    before, after, now = (Counter(lines_of(text)) for text in (brought.before, brought.after, saved))
    added, gone = after - before, before - after
    if not added and not gone:
        return False
    return all(now[line] <= before[line] for line in added) and all(now[line] >= before[line] for line in gone)
