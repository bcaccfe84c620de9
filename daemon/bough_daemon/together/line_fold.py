"""Fold two people's edits of one text line by line, as they type, more permissively than a merge.

A merge refuses neighbouring changes, as nothing shows that they are independent, and a person reviews them once. Two
people who type into one file see each other's lines appear, so only edits of the very same lines conflict here. If both
insert at the same place, both insertions are kept: the host's first, then the guest's.
"""

from __future__ import annotations

from collections.abc import Iterator

from bough_merge.text.sequences import Hunk, changes
from bough_merge.text.text import lines_of

LIMIT_BYTES = 512 * 1024  # a longer text is left to the merge engine, in a separate process

Lines = list[bytes]
Edit = tuple[Hunk, Lines]  # the lines of the base that are replaced, and their replacement


def fold_lines(base: bytes, host: bytes, guest: bytes) -> bytes | None:
    """Return the text with the edits of both sides, None if both changed the same line differently.

    The sides may not be swapped: both machines call the same side the host.
    """
    if host == guest or guest == base:
        return host
    if host == base:
        return guest
    if b"\0" in base or b"\0" in host or b"\0" in guest:
        return None
    old, ours, theirs = _lines(base), _lines(host), _lines(guest)
    folded = _folded(old, list(_edits(old, ours)), list(_edits(old, theirs)))
    if folded is None:
        return None
    text = b"".join(folded)
    ends = [not side or side.endswith(b"\n") for side in (base, host, guest)]
    ended = ends[1] if ends[1] != ends[0] else ends[2]
    return text if ended else text.removesuffix(b"\n")


def _lines(text: bytes) -> Lines:
    """Return the lines of a text, the last one with a line end: whether it had one is decided separately."""
    return lines_of(text if not text or text.endswith(b"\n") else text + b"\n")


def _edits(old: Lines, new: Lines) -> Iterator[Edit]:
    """Yield the changes between two texts, in order; replacements of as many lines count one by one."""
    for hunk in changes(old, new):
        count = hunk.old_end - hunk.old_start
        if count > 1 and count == hunk.new_end - hunk.new_start:
            for step in range(count):
                at, to = hunk.old_start + step, hunk.new_start + step
                if old[at] != new[to]:
                    yield Hunk(at, at + 1, to, to + 1), [new[to]]
        else:
            yield hunk, new[hunk.new_start : hunk.new_end]


def _folded(old: Lines, host: list[Edit], guest: list[Edit]) -> Lines | None:
    """Return the lines with the edits of both sides, None if two edits change the same line."""
    found: Lines = []
    at = i = j = 0
    while i < len(host) or j < len(guest):
        ours = host[i] if i < len(host) else None
        theirs = guest[j] if j < len(guest) else None
        if ours is not None and theirs is not None:
            both = _together(ours, theirs)
            if both is None:
                return None
            ours, theirs = both
        now = ours or theirs
        assert now is not None
        hunk, lines = now
        found += old[at : hunk.old_start]
        found += lines
        at = hunk.old_end
        i, j = i + (ours is not None), j + (theirs is not None)
    return found + old[at:]


def _together(ours: Edit, theirs: Edit) -> tuple[Edit | None, Edit | None] | None:
    """Return the next edit, with the sides that made it; None for a conflict."""
    (one, added), (other, more) = ours, theirs
    if one[:2] == other[:2]:
        if added == more:
            return ours, theirs
        if one.old_start != one.old_end:
            return None
        return (one, _both_inserted(added, more)), theirs
    if one.old_start < other.old_end and other.old_start < one.old_end:
        return None
    return (ours, None) if one[:2] < other[:2] else (None, theirs)


def _both_inserted(ours: Lines, theirs: Lines) -> Lines:
    """Return what both inserted at one place; lines that both start with occur once."""
    shorter, longer = sorted((ours, theirs), key=len)
    return longer if longer[: len(shorter)] == shorter else ours + theirs
