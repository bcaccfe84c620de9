"""A guest's removals are passed on only once they have come to rest, in a working tree that is still there.

Removing a whole working tree in which one is a guest looks, file by file, like removing the host's files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.objects import Objects
from bough_daemon.history.timeline import Snapshot, timeline

REST = 1.0  # seconds after the last snapshot: `rm -r` of a large tree is recorded in several, with shorter pauses
MOST = 100  # snapshots back to the beginning of a visit


@dataclass(frozen=True)
class Resting:
    """What others see of a branch. `passed`: the newest snapshot for them; `waits`: a newer one.

    `since`: when it was seen last that more had been removed.
    """

    passed: Snapshot
    waits: Snapshot | None = None
    since: float = 0.0


class GuestRemovals:
    """Decides which snapshot of each live branch here is the newest for others. On the store's thread."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[str, Resting] = {}

    def newest(self, branch: str, tip: Snapshot, root: str) -> Snapshot:
        """Return the newest snapshot of a branch that others may have. `tip`: of the working tree `root`."""
        known = self._known.get(branch)
        if known is None or _visit(known.passed) != _visit(tip):
            known = Resting(self._first(tip))
        known = after(known, tip, time.monotonic(), self._removes, lambda: not os.path.isdir(root))
        self._known[branch] = known
        return known.passed

    def _first(self, tip: Snapshot) -> Snapshot:
        """Return the first snapshot of a guest's visit, or one of the last of many; for others, the tip."""
        first = tip
        for one in islice(timeline(self._objects, tip.oid), MOST) if tip.company.guest_of else ():
            if _visit(one) != _visit(tip):
                break
            first = one
        return first

    def _removes(self, old: Snapshot, new: Snapshot) -> bool:
        """Return whether more files go than come: a renamed file is one of each."""
        balance = 0
        for _, before, now in self._objects.difference(old.tree, new.tree):
            balance += (now is None) - (before is None)
        return balance > 0


def after(
    known: Resting,
    tip: Snapshot,
    now: float,
    removes: Callable[[Snapshot, Snapshot], bool],
    is_gone: Callable[[], bool],
) -> Resting:
    """Return what others see once `tip` is the newest snapshot. `known`: of the same visit. `now`: seconds."""
    if known.passed.oid == tip.oid or not tip.company.guest_of or not removes(known.passed, tip):
        return Resting(tip)
    if known.waits is None or removes(known.waits, tip):
        return Resting(known.passed, tip, now)
    # Saves that remove nothing more do not restart the wait, or a guest who types without a pause would not be shared.
    return Resting(known.passed, tip, known.since) if now - known.since < REST or is_gone() else Resting(tip)


def _visit(snapshot: Snapshot) -> tuple[str, str]:
    """Return what distinguishes a guest's stay in a branch from any other."""
    return snapshot.company.guest_of, snapshot.company.visit
