"""Compare sequences two and three ways, for lines, tokens and children of syntax trees."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import NamedTuple

from pygit2 import Patch
from pygit2.enums import DiffOption


class Hunk(NamedTuple):
    """A change of `old[old_start:old_end]` to `new[new_start:new_end]`."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


class RegionKind(Enum):
    """Which sides of a region differ from the base."""

    SAME = "same"
    OURS = "ours"
    THEIRS = "theirs"
    BOTH = "both"
    CONFLICT = "conflict"


class Region(NamedTuple):
    """One stretch of a three-way comparison: a range in each of the three sequences."""

    kind: RegionKind
    base: slice
    ours: slice
    theirs: slice


def changes(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """Return what changed from `old` to `new`, in order, by libgit2's Myers diff over interned elements.

    Equal ends are cut off first, which saves time and has only one effect: pure additions and removals are moved as far
    down as possible, as in git, even into the equal end.
    """
    if old == new:
        return []
    if not old or not new:
        return [Hunk(0, len(old), 0, len(new))]
    numbers: dict[Hashable, bytes] = {}
    before, after = _numbered(old, numbers), _numbered(new, numbers)
    patch = Patch.create_from(before, after, flag=DiffOption.FORCE_TEXT, context_lines=0, interhunk_lines=0)
    return [_change(hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) for hunk in patch.hunks]


def three_way(base: Sequence[Hashable], ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> list[Region]:
    """Cut three sequences into regions in order; changes that touch or overlap share a region.

    Adjacent changes of both sides are one conflict, as in git: nothing between them shows that they are independent.
    """
    regions: list[Region] = []
    mine, other = changes(base, ours), changes(base, theirs)
    at = at_ours = at_theirs = i = j = 0
    while i < len(mine) or j < len(other):
        start = min(
            mine[i].old_start if i < len(mine) else len(base), other[j].old_start if j < len(other) else len(base)
        )
        if start > at:
            regions.append(_region(RegionKind.SAME, at, start, at_ours, at_theirs, start - at, start - at))
            at_ours, at_theirs = at_ours + start - at, at_theirs + start - at
            at = start
        first_i, first_j, end = i, j, start
        while True:
            if i < len(mine) and mine[i].old_start <= end and (mine[i].old_start < end or i == first_i or j > first_j):
                end = max(end, mine[i].old_end)
                i += 1
            elif (
                j < len(other)
                and other[j].old_start <= end
                and (other[j].old_start < end or j == first_j or i > first_i)
            ):
                end = max(end, other[j].old_end)
                j += 1
            else:
                break
        grown_ours = end - at + sum(c.new_end - c.new_start - (c.old_end - c.old_start) for c in mine[first_i:i])
        grown_theirs = end - at + sum(c.new_end - c.new_start - (c.old_end - c.old_start) for c in other[first_j:j])
        kind = _kind(
            ours[at_ours : at_ours + grown_ours], theirs[at_theirs : at_theirs + grown_theirs], i > first_i, j > first_j
        )
        regions.append(_region(kind, at, end, at_ours, at_theirs, grown_ours, grown_theirs))
        at, at_ours, at_theirs = end, at_ours + grown_ours, at_theirs + grown_theirs
    if at < len(base):
        regions.append(_region(RegionKind.SAME, at, len(base), at_ours, at_theirs, len(base) - at, len(base) - at))
    return regions


def _kind(ours: Sequence[Hashable], theirs: Sequence[Hashable], by_ours: bool, by_theirs: bool) -> RegionKind:
    if not by_theirs:
        return RegionKind.OURS
    if not by_ours:
        return RegionKind.THEIRS
    return RegionKind.BOTH if ours == theirs else RegionKind.CONFLICT


def _region(
    kind: RegionKind, start: int, end: int, ours: int, theirs: int, grown_ours: int, grown_theirs: int
) -> Region:
    return Region(kind, slice(start, end), slice(ours, ours + grown_ours), slice(theirs, theirs + grown_theirs))


def _numbered(items: Sequence[Hashable], numbers: dict[Hashable, bytes]) -> bytes:
    """Write each element as a line with its number, so that any hashable can be compared by a line diff."""
    for item in items:
        if item not in numbers:
            numbers[item] = b"%d\n" % len(numbers)
    return b"".join([numbers[item] for item in items])


def _change(old_start: int, old_lines: int, new_start: int, new_lines: int) -> Hunk:
    """Turn a hunk header, which counts from 1 and names the line before an empty range, into a `Hunk`."""
    start = old_start - (1 if old_lines else 0)
    new = new_start - (1 if new_lines else 0)
    return Hunk(start, start + old_lines, new, new + new_lines)
