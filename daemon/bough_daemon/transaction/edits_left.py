"""The user's edits that a command left out of the files: they are recorded, and can be restored."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bough_daemon.api.records import EditsOnRecord
from bough_daemon.git.objects import SUBMODULE, Objects
from bough_daemon.history.timeline import Snapshot
from bough_daemon.system.text import SHORT, shell_word
from bough_daemon.transaction.context import LiveWorktree

MOST_NAMED = 20  # files that a command names one by one


@dataclass(frozen=True)
class EditsLeft:
    """Files that the user edited. `snapshot` has them; `start`: the tree that they were edited from."""

    paths: tuple[str, ...]
    start: str
    snapshot: str

    def command(self, root: str, cwd: str) -> str:
        """Return the shell command that restores all of them in the folder `cwd`; `root`: the working tree's top."""
        source = self.snapshot[:SHORT]
        if len(self.paths) <= MOST_NAMED:
            names = (os.path.relpath(path, os.path.relpath(cwd, root)) for path in self.paths)
            return " ".join([f"bough restore --from {source}", *map(_argument, names)])
        listed = f"bough git diff --name-only -z --diff-filter=d {self.start[:SHORT]} {source}"
        inside = "" if cwd == root else f"cd {shell_word(root)} && "
        return f"{inside}{listed} | xargs -0 bough restore --from {source} --"


def edits_on_record(live: LiveWorktree, left: EditsLeft | None) -> EditsOnRecord:
    """Return edits as a record, with the command that restores them in the folder that `live` was called from."""
    if left is None or not left.paths:
        return EditsOnRecord()
    root = live.worktree.root
    command = left.command(root, os.path.realpath(live.cwd or root))
    return EditsOnRecord(list(left.paths), left.snapshot, command)


def _argument(name: str) -> str:
    return shell_word(f"./{name}" if name.startswith("-") else name)


def edits_left(
    objects: Objects, start: str, snapshot: Snapshot, present: Sequence[str], besides: Collection[str] = ()
) -> EditsLeft:
    """Return the files of a snapshot that differ from the tree `start` and from all trees `present`.

    `besides`: paths that are not the user's edits.
    """
    left = (
        path
        for path, _, after in objects.difference(start, snapshot.tree)
        if after is not None and after.mode != SUBMODULE and path not in besides
        if all(objects.entry(tree, path) != after for tree in present)
    )
    return EditsLeft(tuple(sorted(left)), start, snapshot.oid)
