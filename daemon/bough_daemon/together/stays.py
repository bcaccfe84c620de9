"""Branches that are kept folded into a working tree: `bough stay NAME`, until `--stop`, also after a restart."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bough_daemon.errors import NoStay
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

FOLDER = "stays"


class Stays:
    """The names of the branches that one working tree stays on, in the order in which they were named."""

    def __init__(self, folder: str, worktree: Worktree) -> None:
        linked = worktree.git_dir != worktree.common_dir
        name = f"worktree-{os.path.basename(worktree.git_dir)}" if linked else "main"
        self._path = os.path.join(folder, FOLDER, f"{name}.json")

    def names(self) -> list[str]:
        """Return the names."""
        try:
            return read_record(self._path, list[str])
        except FileNotFoundError:
            return []

    def add(self, name: str) -> None:
        """Stay on a branch."""
        self._write(list(dict.fromkeys([*self.names(), name])))

    def stop(self, name: str) -> None:
        """Stay on it no longer; an empty name: on none. Raise NoStay if it is not one of them."""
        if name and name not in self.names():
            raise NoStay(f"you do not stay on {name}", name=name)
        self._write([one for one in self.names() if name and one != name])

    def _write(self, names: Sequence[str]) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        write_whole(self._path, as_json(list(names)))
