"""Background work that has failed, as a record."""

from __future__ import annotations

from bough_daemon.system.plain_record import PlainRecord


class Failing(PlainRecord):
    """Background work that has failed `failures` times, last at `failed_at` (seconds since the epoch).

    `recovered`: it has worked for a while since.
    """

    work: str
    failures: int
    reason: str
    failed_at: float
    recovered: bool
