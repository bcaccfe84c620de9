"""Find lines of one text in another one: pure, on bytes.

A comment must not end up on code that it is not about. So an edited line is found only where the diff puts something
similar, and the result says so; moved code is found only among lines that are new there; and a few brackets are found
only with the same surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from bough_merge.text.sequences import Hunk, changes
from bough_merge.text.text import lines_of

ALIKE = 0.6  # similarity from which on one line is an edit of another: git's for renames is 0.5
LONGEST_LINE = 500  # bytes that are compared letter by letter
MOST_IN_HUNK = 200  # lines of a hunk in which an edited line is searched
TELLING = 8  # letters and digits from which on lines are recognizable by themselves
AROUND = 3  # lines above and below that distinguish places


class LineRange(NamedTuple):
    """Lines of a text, by number from 1, both ends included. `edited`: they have changed."""

    first: int
    last: int
    edited: bool = False


class Block(NamedTuple):
    """Lines to search, and the lines around them."""

    code: tuple[bytes, ...]
    above: tuple[bytes, ...]
    below: tuple[bytes, ...]

    @property
    def is_telling(self) -> bool:
        """Whether the lines are recognizable by themselves, as a lone bracket is not."""
        return _weight(self.code) >= TELLING


def block_of(code: bytes, above: bytes, below: bytes) -> Block:
    """Return lines to search, without line ends and trailing blanks."""
    return Block(bare_lines(code), bare_lines(above), bare_lines(below))


def bare_lines(text: bytes) -> tuple[bytes, ...]:
    """Return the lines of a text without line ends and trailing blanks."""
    return tuple(line.rstrip() for line in lines_of(text))


def _weight(lines: Sequence[bytes]) -> int:
    return sum(sum(chr(letter).isalnum() or letter > 127 for letter in line) for line in lines)


def range_in(
    before: Sequence[bytes], after: Sequence[bytes], hunks: Sequence[Hunk], first: int, block: Block
) -> LineRange | None:
    """Return where lines of a text, from number `first` on, are after it changed.

    `before`, `after`: its lines from `bare_lines`; `hunks`: the changes between them. The lines are where the diff has
    them; or, moved, among the new lines; or where they were edited.
    """
    start = first - 1
    mapped = [_mapped(number, hunks) for number in range(start, start + len(block.code))]
    kept = [one for one in mapped if one is not None]
    is_whole = len(kept) == len(mapped) and kept[-1] - kept[0] == len(kept) - 1
    if is_whole and _is_certain(before, after, start, kept, block):
        return LineRange(kept[0] + 1, kept[-1] + 1)
    new_parts = [slice(one.new_start, one.new_end) for one in hunks]
    moved = find_block(after, block, new_parts) if _is_once(before, block.code) else None
    if moved is None and is_whole and _is_likely(before, after, start, kept):
        return LineRange(kept[0] + 1, kept[-1] + 1, edited=True)
    return moved or _edited(before, after, start, mapped, hunks)


def _mapped(number: int, hunks: Sequence[Hunk]) -> int | None:
    """Return where an unchanged line is now (both count from 0); None if it was changed or removed."""
    shift = 0
    for hunk in hunks:
        if number < hunk.old_start:
            break
        if number < hunk.old_end:
            return None
        shift = hunk.new_end - hunk.old_end
    return number + shift


def _is_certain(before: Sequence[bytes], after: Sequence[bytes], start: int, kept: list[int], block: Block) -> bool:
    """Return whether lines that the diff calls unchanged are certainly the same ones.

    No other lines are equal, or none with the same surroundings: brackets are all alike.
    """
    if block.is_telling and _is_once(before, block.code) and _is_once(after, block.code):
        return True
    around = before[max(0, start - AROUND) : start + len(kept) + AROUND]
    around_now = after[max(0, kept[0] - AROUND) : kept[-1] + 1 + AROUND]
    return around == around_now and _is_once(before, around) and _is_once(after, around)


def _is_likely(before: Sequence[bytes], after: Sequence[bytes], start: int, kept: list[int]) -> bool:
    """Return whether lines that the diff calls unchanged still have a recognizable neighbour."""
    above = _nearest(before, range(start - 1, -1, -1)), _nearest(after, range(kept[0] - 1, -1, -1))
    below = _nearest(before, range(start + len(kept), len(before))), _nearest(after, range(kept[-1] + 1, len(after)))
    return any(then is not None and then == now for then, now in (above, below))


def _is_once(lines: Sequence[bytes], wanted: Sequence[bytes]) -> bool:
    return len(_places(lines, tuple(line.strip() for line in wanted), slice(0, len(lines)))) == 1


def _nearest(lines: Sequence[bytes], numbers: range) -> bytes | None:
    return next((lines[number] for number in numbers if _weight([lines[number]]) >= TELLING), None)


def find_block(after: Sequence[bytes], block: Block, where: Sequence[slice] | None = None) -> LineRange | None:
    """Return where lines are in a text, possibly with another indentation: None if nowhere, or at several places.

    `where`: the parts of the text to search; None: all of it.
    """
    wanted = tuple(line.strip() for line in block.code)
    places = _places(after, wanted, slice(0, len(after)))
    if not block.is_telling or len(places) != 1:
        return None
    at = places[0]
    if where is not None and not any(one.start <= at < one.stop for one in where):
        return None
    found = tuple(after[at : at + len(wanted)])
    return LineRange(at + 1, at + len(wanted), edited=found != block.code)


def _places(after: Sequence[bytes], wanted: tuple[bytes, ...], part: slice) -> list[int]:
    last = min(part.stop, len(after)) - len(wanted)
    starts = (at for at in range(part.start, last + 1) if after[at].strip() == wanted[0])
    return [at for at in starts if tuple(line.strip() for line in after[at : at + len(wanted)]) == wanted]


def agreement(after: Sequence[bytes], at: int, block: Block) -> int:
    """Return how many recognizable lines around a place were also around the code."""
    above = [line.strip() for line in after[max(0, at - AROUND) : at]]
    end = at + len(block.code)
    below = [line.strip() for line in after[end : end + AROUND]]
    around = [(line.strip(), above) for line in block.above] + [(line.strip(), below) for line in block.below]
    return sum(1 for line, there in around if line and line in there)


def _edited(
    before: Sequence[bytes], after: Sequence[bytes], start: int, mapped: Sequence[int | None], hunks: Sequence[Hunk]
) -> LineRange | None:
    """Return where lines are of which some were edited; None if most of them are gone."""
    found = list[int]()
    for number, at in enumerate(mapped, start):
        if at is None:
            hunk = next(one for one in hunks if one.old_start <= number < one.old_end)
            at = _alike(before[number], after, range(max(hunk.new_start, found[-1] + 1 if found else 0), hunk.new_end))
        if at is not None:
            found.append(at)
    code = before[start : start + len(mapped)]
    now = after[min(found) : max(found) + 1] if found else []
    if 2 * len(found) < len(code) or _weight(now) < TELLING or not _are_alike(code, now):
        return None
    return LineRange(min(found) + 1, max(found) + 1, edited=True)


def _are_alike(code: Sequence[bytes], now: Sequence[bytes]) -> bool:
    ours, theirs = ("\n".join(map(_letters, lines)) for lines in (code, now))
    matcher = SequenceMatcher(None, theirs, ours, autojunk=False)
    return matcher.real_quick_ratio() > ALIKE and matcher.quick_ratio() > ALIKE and matcher.ratio() > ALIKE


def _alike(line: bytes, after: Sequence[bytes], numbers: range) -> int | None:
    """Return the line that is most similar to another one, the first of several; None if none is."""
    best, at = ALIKE, None
    matcher = SequenceMatcher(b=_letters(line), autojunk=False)
    for number in numbers[:MOST_IN_HUNK]:
        matcher.set_seq1(_letters(after[number]))
        if min(matcher.real_quick_ratio(), matcher.quick_ratio()) > best and (ratio := matcher.ratio()) > best:
            best, at = ratio, number
    return at


def _letters(line: bytes) -> str:
    return line.strip()[:LONGEST_LINE].decode("latin-1")


def likeness(before: bytes, after: bytes) -> float:
    """Return the similarity of two texts, by their lines, from 0 to 1."""
    old, new = bare_lines(before), bare_lines(after)
    dropped = sum(hunk.old_end - hunk.old_start for hunk in changes(old, new))
    return (len(old) - dropped) / max(len(old), len(new), 1)
