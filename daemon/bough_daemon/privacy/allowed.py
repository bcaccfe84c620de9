"""Paths that the user lets leave, whatever would keep them at home. Git knows nothing of that."""

from __future__ import annotations

import json
import os

from bough_daemon.git.paths import folders_above
from bough_daemon.system.durable import write_whole


class Allowed:
    """The paths of one repository that may leave, each with all below it. On the store's thread only."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "allowed.json")
        self.paths = frozenset[str]()
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as source:
                said = json.load(source)
        except (FileNotFoundError, ValueError):
            return
        if isinstance(said, list):
            self.paths = frozenset(path for path in said if isinstance(path, str))

    def __contains__(self, path: str) -> bool:
        return bool(self.paths) and not self.paths.isdisjoint((path, *folders_above(path)))

    def set(self, path: str, *, allowed: bool) -> bool:
        """Let a path leave from now on, or no longer; return whether that is new."""
        paths = self.paths | {path} if allowed else self.paths - {path}
        if paths == self.paths:
            return False
        write_whole(self._path, json.dumps(sorted(paths)).encode(errors="surrogateescape"))
        self.paths = paths
        return True
