"""Paths that the user allows to leave this machine or hides from the team, whatever other rules say."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import ClassVar

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import Change
from bough_daemon.git.paths import folders_above
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

EVERYTHING = frozenset({""})
HIDDEN = "hidden by you"


class ChosenPaths:
    """Paths of one repository, each with everything below it. On the store's thread only.

    A file that cannot be read counts as `IF_DAMAGED` until a path is set again.
    """

    FILE: ClassVar[str]
    IF_DAMAGED: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, self.FILE)
        self.paths = frozenset[str]()
        try:
            self.paths = read_record(self._path, frozenset[str])
        except FileNotFoundError:
            return
        except StoreDamaged:
            self.paths = self.IF_DAMAGED

    def __contains__(self, path: str) -> bool:
        return bool(self.paths) and not self.paths.isdisjoint(("", path, *folders_above(path)))

    def set(self, path: str, *, chosen: bool) -> bool:
        """Add a path or remove it; return whether that changed anything."""
        paths = (self.paths | {path} if chosen else self.paths - {path}) - EVERYTHING
        if paths == self.paths:
            return False
        write_whole(self._path, as_json(sorted(paths)))
        self.paths = paths
        return True


class AllowedPaths(ChosenPaths):
    """Paths that may leave this machine although a rule withholds them. A damaged file allows nothing."""

    FILE = "allowed.json"


class HiddenPaths(ChosenPaths):
    """Paths whose changes the team must not see. A damaged file hides everything."""

    FILE = "hidden.json"
    IF_DAMAGED = EVERYTHING

    def among(self, changes: Iterable[Change]) -> dict[str, str]:
        """Return the paths of the changes that are hidden, removals included, with the reason."""
        return {path: HIDDEN for path, _, _ in changes if path in self} if self.paths else {}
