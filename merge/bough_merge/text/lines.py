"""Merge line by line, as git does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bough_merge.text.conflicts import Dispute
from bough_merge.text.sequences import Hunk, RegionKind, changes, three_way
from bough_merge.text.text import lines_of


def merge_lines(base: bytes, ours: bytes, theirs: bytes, *, in_place: bool = False) -> list[bytes | Dispute]:
    """Return the merged text in order, with a `Dispute` where both sides changed the same or adjacent lines.

    With `in_place`, for text whose only structure is its lines, neighbouring lines that only one side each edited in
    place do not conflict.
    """
    old, mine, other = lines_of(base), lines_of(ours), lines_of(theirs)
    parts: list[bytes | Dispute] = []
    for region in three_way(old, mine, other):
        if region.kind is RegionKind.CONFLICT:
            stretches = old[region.base], mine[region.ours], other[region.theirs]
            edited = _edited(*stretches) if in_place else None
            dispute = Dispute(b"".join(stretches[0]), b"".join(stretches[1]), b"".join(stretches[2]))
            parts.append(dispute if edited is None else edited)
        elif region.kind is RegionKind.THEIRS:
            parts.append(b"".join(other[region.theirs]))
        else:
            parts.append(b"".join(mine[region.ours]))
    return parts


@lru_cache(maxsize=8)
def line_changes(old: bytes, new: bytes) -> tuple[Hunk, ...]:
    """Return which lines changed between two texts; cached, as several gates need it."""
    return tuple(changes(lines_of(old), lines_of(new)))


def merge_two(ours: bytes, theirs: bytes) -> list[bytes | Dispute]:
    """Merge two versions without a common ancestor: what is equal in order is clean, everything else conflicts."""
    mine, other = lines_of(ours), lines_of(theirs)
    parts: list[bytes | Dispute] = []
    at = 0
    for change in changes(mine, other):
        parts.append(b"".join(mine[at : change.old_start]))
        stretches = mine[change.old_start : change.old_end], other[change.new_start : change.new_end]
        parts.append(Dispute(b"", b"".join(stretches[0]), b"".join(stretches[1]), final=True))
        at = change.old_end
    return [part for part in [*parts, b"".join(mine[at:])] if part != b""]


def _edited(base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes]) -> bytes | None:
    """Merge equal numbers of lines on each side one by one, or return None if both sides changed one of them."""
    if not len(base) == len(ours) == len(theirs):
        return None
    rows = list(zip(base, ours, theirs, strict=True))
    if any(old not in (mine, other) and mine != other for old, mine, other in rows):
        return None
    return b"".join(other if mine == old else mine for old, mine, other in rows)
