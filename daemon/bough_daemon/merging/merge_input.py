"""The merge engine's input: three versions of every file that either side changed.

Git has found the base, the renames and the resulting path of each file. Here each file's versions are gathered under
that path, so that the engine can compare the changes of one file with another's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bough_daemon.errors import BadRepositorySettings
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.git.repository_settings import check_size, table_in
from bough_daemon.merging.worker_wire import Decided
from bough_daemon.transaction.file_state import is_file

FILE_LIMIT_BYTES = 2_000_000  # a longer file is given to the engine only if both sides changed it
TOTAL_LIMIT_BYTES = 64_000_000  # beyond this only files that both sides changed are given

Three = tuple[TreeEntry | None, TreeEntry | None, TreeEntry | None]


@dataclass(frozen=True)
class MergeInput:
    """Three versions of files, by resulting path; missing versions are left out.

    `entries`: (base, ours, theirs) of each. `settings`: the `[merge]` table of the repository's settings.
    """

    base: dict[str, bytes] = field(default_factory=dict)
    ours: dict[str, bytes] = field(default_factory=dict)
    theirs: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, Three] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


Both = Callable[[MergeInput], Mapping[str, Decided]]
"""Merge what both sides changed, and hold each side's changes against the other's."""


def both_changed(three: Three) -> bool:
    """Return whether both sides have a file, each in its own version."""
    base, ours, theirs = three
    return ours is not None and theirs is not None and base != ours != theirs != base


def sides_of(
    objects: Objects, git: GitCommand, trees: tuple[str, str, str], result: str, open_paths: Collection[str]
) -> MergeInput:
    """Gather the sides of a merge of three trees that Git has merged to `result`.

    `open_paths`: files whose contents Git could not merge. Git's other conflicts (names, kinds, deletions) are not for
    the engine.
    """
    found = dict(_changed(objects, git, trees))
    ends = {
        path: three for path, three in found.items() if path in open_paths or _is_settled(objects, result, path, three)
    }
    total = sum(_size(objects, entry) for three in ends.values() for entry in three)
    settings = _settings(objects, trees[1])
    sides = MergeInput(settings=settings)
    for path, three in sorted(ends.items()):
        sizes = [_size(objects, entry) for entry in three]
        if both_changed(three) or (total <= TOTAL_LIMIT_BYTES and max(sizes) <= FILE_LIMIT_BYTES):
            sides.entries[path] = three
            for entry, versions in zip(three, (sides.base, sides.ours, sides.theirs), strict=True):
                if entry is not None:
                    versions[path] = objects.blob(entry.oid)
    return sides


def _changed(objects: Objects, git: GitCommand, trees: tuple[str, str, str]) -> Iterator[tuple[str, Three]]:
    """Yield the (base, ours, theirs) of every file that a side changed, under its resulting path."""
    base, ours, theirs = trees
    mine, other = _renames(git, base, ours), _renames(git, base, theirs)
    moved = {*mine.values(), *other.values()}
    changed = {path for tree in (ours, theirs) for path, _, _ in objects.difference(base, tree)}
    for path in changed - moved:
        here, there = mine.get(path, path), other.get(path, path)
        if here == there or path in (here, there):
            three = objects.entry(base, path), objects.entry(ours, here), objects.entry(theirs, there)
            if all(entry is None or is_file(entry) for entry in three):
                yield (here if here != path else there), three


def _renames(git: GitCommand, old: str, new: str) -> dict[str, str]:
    fields = git.run("diff-tree", "-r", "-M", "-z", "--diff-filter=R", "--name-status", old, new).split(b"\0")[:-1]
    return {os.fsdecode(was): os.fsdecode(now) for was, now in zip(fields[1::3], fields[2::3], strict=True)}


def _is_settled(objects: Objects, result: str, path: str, three: Three) -> bool:
    """Return whether Git's result has the file at the expected path, or neither side keeps it."""
    base, ours, theirs = three
    gone = base is not None and (ours is None or theirs is None) and (ours in (None, base) and theirs in (None, base))
    return gone or is_file(objects.entry(result, path))


def _size(objects: Objects, entry: TreeEntry | None) -> int:
    return objects.size(entry.oid) if entry is not None else 0


def _settings(objects: Objects, tree: str) -> Mapping[str, Any]:
    """Return the `[merge]` table of our side's settings, or raise BadUsage if they cannot be read."""
    entry = objects.entry(tree, SETTINGS)
    if entry is None:
        return {}
    if not is_file(entry):
        raise BadRepositorySettings(f"{SETTINGS} is not a plain file")
    check_size(objects.size(entry.oid))
    return table_in(objects.blob(entry.oid), "merge")
