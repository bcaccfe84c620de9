"""Find renamed files and folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bough_merge.text.text import lines_of

# As in git (diffcore.h, DEFAULT_RENAME_SCORE): half of the lines must remain.
_SIMILAR = 0.5
_LIMIT_PAIRS = 40_000


@dataclass(frozen=True)
class Renames:
    """One side's renames of files and folders, old path to new path."""

    files: Mapping[str, str]
    folders: Mapping[str, str]

    @property
    def targets(self) -> set[str]:
        """Return the paths that files were renamed to."""
        return set(self.files.values())

    def now(self, path: str) -> str:
        """Return the path of a base file on this side."""
        return self.files.get(path, path)

    def follow(self, path: str) -> str:
        """Return where a file that the other side added belongs, given that this side renamed folders."""
        folder = path
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            if folder in self.folders:
                return self.folders[folder] + path[len(folder) :]
        return path


def renames_of(base: Mapping[str, bytes], side: Mapping[str, bytes]) -> Renames:
    """Find what a side renamed: identical contents first, then the most similar among files with the same extension."""
    gone = [path for path in sorted(base) if path not in side]
    new = [path for path in sorted(side) if path not in base]
    files: dict[str, str] = {}
    by_content: dict[bytes, list[str]] = {}
    for path in new:
        by_content.setdefault(side[path], []).append(path)
    for path in gone:
        same = by_content.get(base[path])
        if same and base[path]:
            files[path] = min(same, key=lambda other: (_name(other) != _name(path), other))
            same.remove(files[path])
    left = [path for path in gone if path not in files]
    free = [path for path in new if path not in set(files.values())]
    if len(left) * len(free) <= _LIMIT_PAIRS:
        files.update(_similar(base, side, left, free))
    return Renames(files, _folders(files, side))


def _similar(base: Mapping[str, bytes], side: Mapping[str, bytes], gone: list[str], new: list[str]) -> dict[str, str]:
    lines = {path: Counter(lines_of(base[path])) for path in gone}
    others = {path: Counter(lines_of(side[path])) for path in new}
    scored = sorted(
        (
            (-_likeness(lines[old], others[path]), _name(old) != _name(path), old, path)
            for old in gone
            for path in new
            if _extension(old) == _extension(path)
        ),
    )
    found: dict[str, str] = {}
    for score, _, old, path in scored:
        if -score >= _SIMILAR and old not in found and path not in found.values():
            found[old] = path
    return found


def _likeness(one: Counter[bytes], other: Counter[bytes]) -> float:
    longest = max(one.total(), other.total())
    return (one & other).total() / longest if longest else 0.0


def _folders(files: Mapping[str, str], side: Mapping[str, bytes]) -> dict[str, str]:
    """Return the folders that moved as a whole: nothing is left in them, and all their files went to one folder."""
    targets: dict[str, set[str]] = {}
    for old, new in files.items():
        if "/" in old and "/" in new and _name(old) == _name(new):
            targets.setdefault(old.rsplit("/", 1)[0], set()).add(new.rsplit("/", 1)[0])
    remaining = {path.rsplit("/", 1)[0] for path in side if "/" in path}
    return {old: next(iter(new)) for old, new in targets.items() if len(new) == 1 and old not in remaining}


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _extension(path: str) -> str:
    name = _name(path)
    return name[name.rfind(".") :] if "." in name else ""
