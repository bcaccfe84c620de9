"""Paths that the user hides from the team for a while, whatever they are."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import Change
from bough_daemon.git.paths import folders_above
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

HIDDEN = "hidden by you"


class HiddenPaths:
    """The paths of one repository that are hidden, each with all below it. On the store's thread only.

    While what was written down cannot be read every change is hidden, until the user says again what is to be.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "hidden.json")
        self.paths = frozenset[str]()
        try:
            self.paths = read_record(self._path, frozenset[str])
        except FileNotFoundError:
            return
        except StoreDamaged:
            self.paths = frozenset({""})

    def __contains__(self, path: str) -> bool:
        return bool(self.paths) and not self.paths.isdisjoint(("", path, *folders_above(path)))

    def among(self, changes: Iterable[Change]) -> dict[str, str]:
        """Return the reason for each change, a removal included, that the team must not see."""
        return {path: HIDDEN for path, _, _ in changes if path in self} if self.paths else {}

    def set(self, path: str, *, hidden: bool) -> None:
        """Hide a path from now on, or no longer."""
        paths = (self.paths | {path} if hidden else self.paths - {path}) - {""}
        if paths != self.paths:
            write_whole(self._path, as_json(sorted(paths)))
            self.paths = paths
