"""How much of the disk a store may take. Near that status says so, and what is stored is packed more tightly.

What this member saves is always recorded. Of teammates only so much is taken, of each and of all together: a peer who
sends more is refused from then on, with the reason, and nobody else is.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from bough_daemon.api.records import Notice
from bough_daemon.api.settings import read_settings
from bough_daemon.errors import BadSetting
from bough_daemon.home import Home

GB = 1_000_000_000
LEAST_BYTES = 1 * GB  # however little is free
FREE_SHARE = 4  # of what is free, with what the store has: what it may take where the setting does not say
NEAR = 0.8  # of the limit, from where it is told
MEMBER_SHARE, TEAM_SHARE = 4, 2  # of the limit: what is taken of one teammate, and of all together
SETTING = "store.limit_gb"
NO_ROOM = "no space is left here for data from {0}"


class Quota:
    """The room of one store. On the loop's thread, but for `measured`.

    `objects`: the store's folder of objects. `setting`: the limit in GB, 0 for a share of the disk. `used`: bytes, when
    it was measured last. `taken`: bytes that each teammate has sent and that were kept.
    """

    def __init__(self, objects: str, setting: Callable[[], int] = lambda: 0) -> None:
        self.used = 0
        self.taken: dict[str, int] = {}
        self._objects = objects
        self._setting = setting
        self.limit = LEAST_BYTES

    @classmethod
    def of_home(cls, objects: str, home: Home) -> Quota:
        """Return the quota of a store, as the user's settings have it."""

        def setting() -> int:
            try:
                return read_settings(home).number(SETTING)
            except BadSetting:
                return 0

        return cls(objects, setting)

    def measured(self) -> tuple[int, int]:
        """Return how many bytes the store has, and may have. From any thread."""
        used = _size_of(self._objects)
        disk = os.statvfs(self._objects)
        share = (used + disk.f_bavail * disk.f_frsize) // FREE_SHARE
        return used, self._setting() * GB or max(share, LEAST_BYTES)

    def note(self, measured: tuple[int, int]) -> None:
        """Go by what was measured from now on."""
        self.used, self.limit = measured

    @property
    def is_near(self) -> bool:
        """Return whether the store has nearly as much as it may have."""
        return self.used > NEAR * self.limit

    def took(self, member: str, size: int) -> None:
        """Note that a pack of `size` bytes with a teammate's snapshots was kept."""
        self.taken[member] = self.taken.get(member, 0) + size

    def refusal(self, member: str) -> str | None:
        """Return why nothing more of a teammate is taken; None where it is."""
        full = self.taken.get(member, 0) > self.limit // MEMBER_SHARE
        # Anyone who sent less than an equal part of it is not refused for what others sent.
        crowded = sum(self.taken.values()) > self.limit // TEAM_SHARE
        part = self.limit // TEAM_SHARE // max(1, len(self.taken))
        return NO_ROOM.format(member) if full or (crowded and self.taken.get(member, 0) > part) else None

    def notices(self) -> list[Notice]:
        """Return what a person should know of it."""
        more = f"`bough config set {SETTING} {2 * max(1, self.limit // GB)}` raises the limit"
        found = list[Notice]()
        if self.is_near:
            word = "more than" if self.used > self.limit else "nearly all of"
            text = f"the snapshots here take {_gb(self.used)}, {word} the limit of {_gb(self.limit)}"
            remedy = f"{more}; `bough down --forget` starts over with an empty history. Your saves are recorded anyway."
            found.append(Notice("room", text, remedy))
        for member, size in sorted(self.taken.items()):
            if self.refusal(member) is not None:
                text = f"{member} has sent {_gb(size)}: newer data from them is refused"
                remedy = f"{more}; `bough remove {member}` removes them from the team."
                found.append(Notice("room", text, remedy))
        return found


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


def _gb(size: int) -> str:
    return f"{size / GB:,.1f} GB" if size >= GB // 10 else f"{size / 1e6:,.0f} MB"
