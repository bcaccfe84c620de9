"""Merge line by line, as git does."""

from __future__ import annotations

from .conflicts import Dispute
from .sequences import Kind, three_way
from .text import lines_of


def merge_lines(base: bytes, ours: bytes, theirs: bytes) -> list[bytes | Dispute]:
    """Return the merged text in order, with a `Dispute` where both sides changed the same or adjacent lines."""
    old, mine, other = lines_of(base), lines_of(ours), lines_of(theirs)
    parts: list[bytes | Dispute] = []
    for region in three_way(old, mine, other):
        if region.kind is Kind.CONFLICT:
            texts = (b"".join(old[region.base]), b"".join(mine[region.ours]), b"".join(other[region.theirs]))
            parts.append(Dispute(*texts))
        elif region.kind is Kind.THEIRS:
            parts.append(b"".join(other[region.theirs]))
        else:
            parts.append(b"".join(mine[region.ours]))
    return parts
