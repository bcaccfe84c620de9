"""Decide when a flurry of file events is over."""

from __future__ import annotations

from dataclasses import dataclass

FEW = 16  # events: a save, including one by way of a temporary file and a rename


@dataclass(frozen=True)
class Burst:
    """Decide when a flurry of file events is over.

    It is over `settle` seconds after its last event, and at the latest `patience` seconds after its first, so an editor
    that saves without pause still gets snapshots. A flurry of more than FEW events is gathered for `gather` seconds
    instead of `settle`.
    """

    settle: float = 0.004
    gather: float = 0.1
    patience: float = 1.0

    def due(self, first: float, last: float, events: int) -> float:
        """Return the moment to snapshot a flurry of `events` events between `first` and `last` (seconds, monotonic)."""
        quiet = self.settle if events <= FEW else self.gather
        return min(last + quiet, first + self.patience)
