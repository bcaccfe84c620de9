"""States of a working tree's files, and the differences between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bough_daemon.errors import NotPossibleNow
from bough_daemon.git.objects import FILE, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.paths import check_path


class Disturbed(NotPossibleNow):
    """A path was not as we believed it, or is being changed right now; files are as they were."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed at the same moment; the command changed nothing", path=path)


@dataclass(frozen=True)
class FileState:
    """A state of files: a tree, and the facts that a tree cannot hold.

    `raw`: blobs of exact bytes, for paths where Git's filters would produce others. `modes`: unusual permission bits of
    paths and folders.
    """

    tree: str
    raw: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileStep:
    """One path to change. `believed`: the blob of the exact bytes expected on disk."""

    path: str
    before: TreeEntry | None
    after: TreeEntry | None
    believed: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def leaves(self) -> bool:
        """Return whether a file or symlink of the old state is at the path; a submodule's folder is left alone."""
        return self.before is not None and self.before.mode != SUBMODULE

    @property
    def arrives(self) -> bool:
        """Return whether a file or symlink of the new state comes to the path."""
        return self.after is not None and self.after.mode != SUBMODULE


def differences(objects: Objects, old: FileState, new: FileState) -> list[FileStep]:
    """Return a step for every path that differs between two states, sorted by path.

    Raise HostilePath if a path is not valid.
    """
    steps = {path: FileStep(path, before, after) for path, before, after in objects.difference(old.tree, new.tree)}
    for step in steps.values():
        check_path(step.path, step.after.mode if step.after is not None else FILE)
    for path, oid in new.raw.items():
        if path not in steps and old.raw.get(path) != oid:
            entry = objects.entry(new.tree, path)
            steps[path] = FileStep(path, entry, entry)
    return [steps[path] for path in sorted(steps)]


def is_file(entry: TreeEntry | None) -> bool:
    """Return whether an entry is a file, executable or not."""
    return entry is not None and entry.mode & FILE == FILE
