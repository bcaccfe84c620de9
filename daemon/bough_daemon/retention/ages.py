"""Which snapshots are kept at which age: a pure function of their times, and of what they mean.

A period counts from the epoch, not from now, and its newest snapshot is kept: so thinning twice is the same as thinning
once, later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bough_daemon.api.keep_ages import KeepAges

MINUTE, TEN_MINUTES = 60, 600  # seconds


@dataclass(frozen=True)
class Moment:
    """A snapshot, as far as its age decides. `time`: seconds since the epoch. `is_milestone`: it means something."""

    time: float
    is_milestone: bool = False


def kept(moments: Sequence[Moment], now: float, ages: KeepAges) -> list[bool]:
    """Return for each of a timeline's snapshots, newest first, whether it is kept at the time `now`."""
    found, seen = list[bool](), set[tuple[int, int]]()
    for moment in moments:
        age = now - moment.time
        stays = age <= ages.all or (moment.is_milestone and age <= ages.milestones)
        for seconds, limit in ((MINUTE, ages.minutes), (TEN_MINUTES, ages.ten_minutes)):
            period = seconds, int(moment.time // seconds)
            stays |= age <= limit and period not in seen
            seen.add(period)
        found.append(stays)
    return found
