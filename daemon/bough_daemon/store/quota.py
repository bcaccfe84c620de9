"""Limit the disk space of a store. Near the limit, status says so, and the store is packed more tightly.

This member's saves are always recorded. From teammates only a share is accepted, from each and in total: a peer who
sends more is refused from then on, with the reason, and nobody else is.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from bough_daemon.api.notices import MemberOverLimit, Notice, StoreNearLimit
from bough_daemon.api.settings import read_settings
from bough_daemon.errors import BadSetting
from bough_daemon.home import Home

GB = 1_000_000_000
LEAST_BYTES = 1 * GB  # however little space is free
FREE_SHARE = 4  # of the free space plus the store's size: the limit if the setting gives none
NEAR = 0.8  # of the limit, from which on the user is told
MEMBER_SHARE, TEAM_SHARE = 4, 2  # of the limit: accepted from one teammate, and from all together
SETTING = "store.limit_gb"
NO_ROOM = "no space is left here for data from {0}"


class Quota:
    """The space of one store. On the loop's thread, except `measured`.

    `objects`: the store's folder of objects. `setting`: the limit in GB, 0 for a share of the disk. `used`: bytes at
    the last measurement. `taken`: bytes that each teammate has sent and that were kept.
    """

    def __init__(self, objects: str, setting: Callable[[], int] = lambda: 0) -> None:
        self.used = 0
        self.taken: dict[str, int] = {}
        self._objects = objects
        self._setting = setting
        self.limit = LEAST_BYTES

    @classmethod
    def of_home(cls, objects: str, home: Home) -> Quota:
        """Return the quota of a store, as set by the user."""

        def setting() -> int:
            try:
                return read_settings(home).number(SETTING)
            except BadSetting:
                return 0

        return cls(objects, setting)

    def measured(self) -> tuple[int, int]:
        """Return the size of the store and its limit, in bytes. From any thread."""
        used = _size_of(self._objects)
        disk = os.statvfs(self._objects)
        share = (used + disk.f_bavail * disk.f_frsize) // FREE_SHARE
        return used, self._setting() * GB or max(share, LEAST_BYTES)

    def note(self, measured: tuple[int, int]) -> None:
        """Use a measurement from now on."""
        self.used, self.limit = measured

    @property
    def is_near(self) -> bool:
        """Return whether the store is near its limit."""
        return self.used > NEAR * self.limit

    def took(self, member: str, size: int) -> None:
        """Record that a pack of `size` bytes with a teammate's snapshots was kept."""
        self.taken[member] = self.taken.get(member, 0) + size

    def refusal(self, member: str) -> str | None:
        """Return why nothing more is accepted from a teammate; None if it is."""
        full = self.taken.get(member, 0) > self.limit // MEMBER_SHARE
        # A teammate who sent less than an equal share is not refused because of others.
        crowded = sum(self.taken.values()) > self.limit // TEAM_SHARE
        part = self.limit // TEAM_SHARE // max(1, len(self.taken))
        return NO_ROOM.format(member) if full or (crowded and self.taken.get(member, 0) > part) else None

    def notices(self) -> list[Notice]:
        """Return what the user should know about it."""
        over = [(name, sent) for name, sent in sorted(self.taken.items()) if self.refusal(name) is not None]
        near: list[Notice] = [StoreNearLimit(self.used, self.limit)] if self.is_near else []
        return near + [MemberOverLimit(name, sent, self.limit) for name, sent in over]


def _size_of(folder: str) -> int:
    """Return the bytes of all files below a folder."""
    total, pending = 0, [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # packed meanwhile
    return total
