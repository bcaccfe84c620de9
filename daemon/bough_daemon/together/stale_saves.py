"""Detect saves that overwrote a fold whose result their author had not read: an editor's old buffer, a script.

Between reading a file and writing it back, a fold may have changed it. The save then lacks all that the fold brought to
that file, as if its author had removed it at once. Nobody does that, and types something else too, within a moment; so
such a save is treated as made before the fold, and is merged with it. A save that restores exactly the previous file is
an undo.

If the save changed the very lines that the fold changed, there is nothing to merge, and it cannot be told for sure that
its author had not read them: they may have corrected them, or their editor may have formatted them. It counts as made
before the fold unless it is much nearer to the text after it; then the file is paused, so that neither is overwritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property

from bough_merge.text.sequences import changes
from bough_merge.text.text import lines_of

WINDOW = 5.0  # seconds after a fold in which a save that lacks all of it is stale
REMEMBERED = 60.0  # seconds: a save may be checked long after it was made

MOST_COMPARED = 300  # bytes of a changed place that are compared one by one
MOST_PLACES = 20
NEARER = 4  # times as near to the text after the fold as to the one before it: then it is based on the former
MOST_COUNTED = 4  # texts whose lines are remembered: one save is compared several times

Read = Callable[[str], bytes]
"""Return the content of a blob."""


@dataclass
class FoldedIn:
    """What a fold changed in one file, at a moment (seconds since the epoch). `before`, `after`: its blobs.

    `branch`: the folded branch; `onto`: the snapshot before the fold. `is_seen`: a later save has some of it.
    """

    before: str
    after: str
    at: float
    read: Read = field(compare=False, repr=False)
    branch: str = ""
    onto: str = ""
    is_seen: bool = field(default=False, compare=False)

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
    _counted: dict[str, Counter[bytes]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._brought)

    def note(self, path: str, fold: FoldedIn) -> None:
        """Remember that a fold changed a file."""
        self._brought.setdefault(path, []).append(fold)

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
        brought, lacking = self._compared(path, saved)
        unseen = len(brought)
        for number in reversed(range(len(brought))):
            if at - brought[number].at >= WINDOW:
                break
            lacking.add(brought[number].made)
            if lacking.all_of_it():
                unseen = number
        return brought[unseen:]

    def overwritten(self, path: str, saved: str, at: float) -> list[FoldedIn]:
        """Return the folds whose lines a save replaced with others, oldest first, unless its author had read them.

        Arguments as of `unseen`.
        """
        brought, lacking = self._compared(path, saved)
        lost = len(brought)
        for number in reversed(range(len(brought))):
            if brought[number].is_seen or at - brought[number].at >= WINDOW:
                break
            lacking.add(brought[number].made)
            if lacking.has_some():
                for one in brought[: number + 1]:
                    one.is_seen = True
                break
            if lacking.all_that_came():
                lost = number
        over = brought[lost:]
        return over if over and self._is_from_before(over, saved) else []

    def _compared(self, path: str, saved: str) -> tuple[list[FoldedIn], _Lacking]:
        """Return the folds that a blob may lack, none if it is the text before or after one, and what finds out."""
        brought = self._brought.get(path, [])
        if not brought or saved == brought[-1].after or any(saved == one.before for one in brought):
            return [], _Lacking(Counter(), Counter())
        return brought, _Lacking(self._lines(saved), self._lines(brought[-1].after))

    def _is_from_before(self, over: list[FoldedIn], saved: str) -> bool:
        before, after, text = (lines_of(self.read(blob)) for blob in (over[0].before, over[-1].after, saved))
        return _change(before, text) < NEARER * _change(after, text)

    def _lines(self, blob: str) -> Counter[bytes]:
        """Return how often a text has each line."""
        known = self._counted.get(blob)
        if known is None:
            while len(self._counted) >= MOST_COUNTED:
                del self._counted[next(iter(self._counted))]
            known = self._counted[blob] = Counter(lines_of(self.read(blob)))
        return known

    def folds(self, paths: Iterable[str]) -> list[FoldedIn]:
        """Return the folds of some files."""
        return [one for path in paths for one in self._brought.get(path, [])]

    def drop(self, folds: Iterable[FoldedIn]) -> None:
        """Forget some folds."""
        gone = set(map(id, folds))
        kept = {path: [one for one in of if id(one) not in gone] for path, of in self._brought.items()}
        self._brought = {path: of for path, of in kept.items() if of}

    def clear(self) -> None:
        """Forget all folds."""
        self._brought.clear()


@dataclass
class _Lacking:
    """Find out whether a text lacks all that the newest folds of a file made. `newest`: the lines after them."""

    now: Counter[bytes]
    newest: Counter[bytes]
    _came: set[bytes] = field(default_factory=set)  # lines that the folds added
    _there: set[bytes] = field(default_factory=set)  # those of them that the text has
    _gone: set[bytes] = field(default_factory=set)  # lines that the folds removed, and the text does not have, either
    _made: Counter[bytes] = field(default_factory=Counter)

    def add(self, made: Counter[bytes]) -> None:
        """Look at an earlier fold, too."""
        for line, count in made.items():
            total = self._made[line] = self._made[line] + count
            now, without = self.now[line], self.newest[line] - total
            for lines, belongs in (
                (self._came, total > 0),
                (self._there, total > 0 and now > without),
                (self._gone, total < 0 and now < without),
            ):
                (lines.add if belongs else lines.discard)(line)
            if not total:
                del self._made[line]

    def all_of_it(self) -> bool:
        """Return whether the text has nothing of what the folds added, and all that they removed."""
        return bool(self._made) and not self._there and not self._gone

    def all_that_came(self) -> bool:
        """Return whether the text has nothing of what the folds added, whatever it has of what they removed."""
        return bool(self._came) and not self._there

    def has_some(self) -> bool:
        """Return whether the text has some of what the folds added."""
        return bool(self._there)


def _change(old: list[bytes], new: list[bytes]) -> int:
    """Return by how many bytes one text differs from another, white space aside."""
    total = 0
    for number, hunk in enumerate(changes(old, new)):
        before = b"".join(b"".join(old[hunk.old_start : hunk.old_end]).split())
        after = b"".join(b"".join(new[hunk.new_start : hunk.new_end]).split())
        total += len(before) + len(after)
        if max(len(before), len(after)) <= MOST_COMPARED and number < MOST_PLACES:
            matcher = SequenceMatcher(None, before, after, autojunk=False)
            total -= 2 * sum(block.size for block in matcher.get_matching_blocks())
    return total
