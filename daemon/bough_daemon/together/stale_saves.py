"""Saves that were written over a fold by somebody who had not read it: an editor's old buffer, a script.

Between reading a file and writing it back, a fold may have come into it. What is written then lacks all that the fold
brought to that file, as if its author had taken it away at once. Nobody does so within a moment of its coming; so such
a save is taken for one that was made before the fold, and is folded with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bough_merge.text.text import lines_of

WINDOW = 1.5  # seconds after a fold in which a save that lacks all of it has not seen it


@dataclass(frozen=True)
class FoldedIn:
    """What a fold made of one file, at a moment (seconds, monotonic)."""

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
        fresh = {path: [one for one in of if now - one.at < WINDOW] for path, of in self._brought.items()}
        self._brought = {path: of for path, of in fresh.items() if of}
        return list(self._brought)

    def unseen(self, path: str, saved: bytes) -> tuple[bytes, bytes] | None:
        """Return the version that a save was made from, and the newest one, where it has not seen the folds between.

        None where it has seen all of them, or cannot be told from an edit of what they brought.
        """
        brought = self._brought.get(path, [])
        read = len(brought)
        while read > 0 and lacks(saved, brought[read - 1]):
            read -= 1
        if read == len(brought) or saved == brought[read].before:
            return None
        return brought[read].before, brought[-1].after

    def clear(self) -> None:
        """Forget all folds."""
        self._brought.clear()

    def forget(self, path: str) -> None:
        """Forget what was folded into a file: every save of it from now on has seen that."""
        self._brought.pop(path, None)


def lacks(saved: bytes, brought: FoldedIn) -> bool:
    """Return whether a text has nothing of what a fold added to a file, and all that it took out."""
    before, after, now = (Counter(lines_of(text)) for text in (brought.before, brought.after, saved))
    added, gone = after - before, before - after
    if not added and not gone:
        return False
    return all(now[line] <= before[line] for line in added) and all(now[line] >= before[line] for line in gone)
