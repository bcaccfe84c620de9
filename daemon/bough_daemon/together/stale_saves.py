"""Detect saves that overwrote a fold whose result their author had not read: an editor's old buffer, a script.

Between reading a file and writing it back, a fold may have changed it. The save then lacks all that the fold brought to
that file, as if its author had removed it at once. Nobody does that, and types something else too, within a moment; so
such a save is treated as made before the fold, and is merged with it. A save that restores exactly the previous file is
an undo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from bough_merge.text.text import lines_of

WINDOW = 5.0  # seconds after a fold in which a save that lacks all of it is stale
REMEMBERED = 60.0  # seconds: a save may be checked long after it was made


@dataclass(frozen=True)
class FoldedIn:
    """What a fold changed in one file, at a moment (seconds since the epoch)."""

    before: bytes
    after: bytes
    at: float


@dataclass
class RecentFolds:
    """Recent folds, by path, oldest first."""

    _brought: dict[str, list[FoldedIn]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._brought)

    def note(self, path: str, before: bytes, after: bytes, now: float) -> None:
        """Remember that a fold changed a file."""
        self._brought.setdefault(path, []).append(FoldedIn(before, after, now))

    def paths(self, now: float) -> list[str]:
        """Return the files that recent folds changed."""
        fresh = {path: [one for one in of if now - one.at < REMEMBERED] for path, of in self._brought.items()}
        self._brought = {path: of for path, of in fresh.items() if of}
        return list(self._brought)

    def unseen(self, path: str, saved: bytes, at: float) -> list[FoldedIn]:
        """Return the folds that a save is missing, oldest first; none if it has them, or it is impossible to tell.

        `at`: when it was saved (seconds since the epoch). Lines that one fold removed and a later one restored count as
        neither: a version from before both has them, too.
        """
        brought = self._brought.get(path, [])
        if not brought or any(saved == one.before for one in brought):
            return []
        now, newest, unseen = Counter(lines_of(saved)), Counter(lines_of(brought[-1].after)), len(brought)
        made = Counter[bytes]()  # by line, how many more of it the folds since a certain one have made
        for number in reversed(range(len(brought))):
            if at - brought[number].at >= WINDOW:
                break
            made.update(lines_of(brought[number].after))
            made.subtract(lines_of(brought[number].before))
            if lacks(now, made, newest):
                unseen = number
        return brought[unseen:]

    def without(self, paths: Collection[str]) -> RecentFolds:
        """Return these without some files."""
        return RecentFolds({path: list(of) for path, of in self._brought.items() if path not in paths})

    def clear(self) -> None:
        """Forget all folds."""
        self._brought.clear()


def lacks(now: Counter[bytes], made: Counter[bytes], newest: Counter[bytes]) -> bool:
    """Return whether a text has nothing of what folds added to a file, and everything that they removed.

    Each argument counts lines: of the text, of what the folds `made`, and of the file after them.
    """
    changed = {line: count for line, count in made.items() if count}
    return bool(changed) and all(
        now[line] <= newest[line] - count if count > 0 else now[line] >= newest[line] - count
        for line, count in changed.items()
    )
