"""Paths that the user lets leave, whatever would keep them at home. Git knows nothing of that."""

from __future__ import annotations

import os

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.paths import folders_above
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record


class Allowed:
    """The paths of one repository that may leave, each with all below it. On the store's thread only."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "allowed.json")
        self.paths = frozenset[str]()
        try:
            self.paths = read_record(self._path, frozenset[str])
        except (FileNotFoundError, StoreDamaged):
            return  # then nothing leaves but what may anyway

    def __contains__(self, path: str) -> bool:
        return bool(self.paths) and not self.paths.isdisjoint((path, *folders_above(path)))

    def set(self, path: str, *, allowed: bool) -> bool:
        """Let a path leave from now on, or no longer; return whether that is new."""
        paths = self.paths | {path} if allowed else self.paths - {path}
        if paths == self.paths:
            return False
        write_whole(self._path, as_json(sorted(paths)))
        self.paths = paths
        return True
