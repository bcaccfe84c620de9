"""Branches that are kept folded into a working tree: `bough stay NAME`, until `--stop`, even after a restart.

With `--solid`, only the states that their members marked as solid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from bough_daemon.errors import NoStay
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

FOLDER = "stays"


class Stays:
    """The names of the branches that one working tree stays on, in the order in which they were added."""

    def __init__(self, folder: str, worktree: Worktree) -> None:
        self._path = os.path.join(folder, FOLDER, f"{worktree.record_name}.json")

    def all(self) -> dict[str, bool]:
        """Return the names, each with whether only solid states are folded."""
        try:
            return read_record(self._path, dict[str, bool])
        except FileNotFoundError:
            return {}

    def add(self, name: str, *, solid: bool) -> None:
        """Stay on a branch, or only on its solid states."""
        self._write({**self.all(), name: solid})

    def stop(self, name: str) -> None:
        """Stop staying on a branch; an empty name: on all. Raise NoStay if it is not one of them."""
        known = self.all()
        if name and name not in known:
            raise NoStay(f"you do not stay on {name}", name=name)
        self._write({one: solid for one, solid in known.items() if name and one != name})

    def _write(self, known: Mapping[str, bool]) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        write_whole(self._path, as_json(dict(known)))
