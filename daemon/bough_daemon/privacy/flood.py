"""Detect too many new files at once: installed packages, build output, a data set, before an ignore rule names them.

They are recorded, but the team gets them only once Git tracks them. Files in a commit or in the index are never
counted, so a switch, a merge or a tracked release is shared as usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from bough_daemon.git.objects import FILE, FOLDER, Objects, TreeEntry
from bough_daemon.git.rules import IndexReader
from bough_daemon.privacy.withheld import SIZE_LIMIT_BYTES
from bough_daemon.system.text import shell_word

# Below one top-level folder. Project generators write 20 to 300 files, the smallest `npm install` of a real project
# more than 1,000.
MOST_FILES = 500
MOST_BYTES = 5 * SIZE_LIMIT_BYTES
# New files that leave at once; with more, wait to see whether still more arrive, or the start of a flood would be
# shared.
FEW = 50
QUIET = 2.0  # seconds without another new file: installers pause for less
# What one folder may have and still be shared although the rest around it is too much: someone works there.
SMALL_FILES, SMALL_BYTES = 20, 2_000_000
GATHERED = "many new files; shared in a moment, once no more arrive"
MOST_SIZES = 20_000  # folders whose size is remembered


@dataclass(frozen=True)
class New:
    """A new folder or file.

    `part`: the folder that is withheld or shared as one. `oid`: the tree of a folder, empty for a file. `size`: bytes.
    """

    path: str
    part: str
    files: int
    size: int
    oid: str = ""

    @property
    def top(self) -> str:
        """The top-level folder that it belongs to, empty for a top-level file."""
        return self.path.partition("/")[0] if self.oid or "/" in self.path else ""


class Flood:
    """Find new files that are too many at once. On the store's thread only.

    `due`: the moment (monotonic) when what waits for more may have waited enough; infinite if nothing waits.
    """

    def __init__(self, objects: Objects, index: IndexReader) -> None:
        self.due = math.inf
        self._objects = objects
        self._index = index
        self._sizes: dict[str, tuple[int, int]] = {}
        self._grown: dict[str, tuple[int, float]] = {}
        self._tracked: tuple[object, frozenset[str]] = (None, frozenset())

    def held(self, base: str, shared: str, tree: str, now: float, *, waits: bool) -> dict[str, str]:
        """Return the files and folders of `tree` that must stay, with the reason.

        `base`, `shared`: the trees of HEAD and of what the team has. `waits`: whether many files may wait for more.
        """
        tops: dict[str, list[New]] = {}
        for new in self._new("", base, shared, tree):
            tops.setdefault(new.top, []).append(new)
        many = {top: found for top, found in tops.items() if _total(found)[0] > FEW or _is_flood(found)}
        untracked = {top: self._untracked(found) for top, found in many.items()}
        self._grown = {top: self._growth(top, found, now) for top, found in untracked.items()}
        self.due, held = math.inf, dict[str, str]()
        for top, found in untracked.items():
            quiet_at = self._grown[top][1] + QUIET
            if _is_flood(found):
                held |= _reasons(found)
            elif waits and _total(found)[0] > FEW and quiet_at > now:
                self.due = min(self.due, quiet_at)
                held |= {new.path: GATHERED for new in found}
        return held

    def _growth(self, top: str, found: Sequence[New], now: float) -> tuple[int, float]:
        """Return how many new files are below a folder, and when their number last grew."""
        files = _total(found)[0]
        before, at = self._grown.get(top, (0, now))
        return files, now if files > before else at

    def _new(self, path: str, base: str | None, shared: str | None, tree: str) -> Iterator[New]:
        if tree in (base, shared):
            return
        objects = self._objects
        in_base, in_shared, here = (objects.tree(one) if one else {} for one in (base, shared, tree))
        for name in objects.changed_names(shared, tree):
            entry, was, had = here.get(name), in_base.get(name), in_shared.get(name)
            if entry is None or entry == was:
                continue
            below = f"{path}/{name}" if path else name
            is_new = was is None and had is None
            if entry.mode == FOLDER and is_new:
                yield New(below, below, *self._size(entry.oid), entry.oid)
            elif entry.mode == FOLDER:
                yield from self._new(below, _folder(was), _folder(had), entry.oid)
            elif is_new:
                yield New(below, path, 1, self._file_size(entry))

    def _size(self, tree: str) -> tuple[int, int]:
        """Return how many files a folder has in total, and their size in bytes."""
        known = self._sizes.get(tree)
        if known is None:
            entries = self._objects.tree(tree).values()
            sizes = [self._size(one.oid) if one.mode == FOLDER else (1, self._file_size(one)) for one in entries]
            known = (sum(files for files, _ in sizes), sum(size for _, size in sizes))
            if len(self._sizes) > MOST_SIZES:
                self._sizes.clear()
            self._sizes[tree] = known
        return known

    def _file_size(self, entry: TreeEntry) -> int:
        return self._objects.size(entry.oid) if entry.mode & FILE == FILE else 0

    def _untracked(self, found: Sequence[New]) -> list[New]:
        """Return those that are not in the user's index: a folder with tracked files is listed file by file."""
        parts = tuple(sorted({new.part for new in found}))
        key = (self._index.version, parts)
        if self._tracked[0] != key:
            self._tracked = (key, _with_folders(self._index.tracked_at(parts)))
        tracked = self._tracked[1]
        return [one for new in found for one in self._split(new, tracked) if one.path not in tracked]

    def _split(self, new: New, tracked: Set[str]) -> Iterator[New]:
        if not new.oid or new.path not in tracked:
            yield new
            return
        for path, entry in self._objects.walk(new.oid, new.path):
            yield New(path, new.part, 1, self._file_size(entry))


def _with_folders(paths: Iterable[str]) -> frozenset[str]:
    """Return some paths together with every folder above them."""
    found = set(paths)
    for path in list(found):
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return frozenset(found)


def _folder(entry: TreeEntry | None) -> str | None:
    return entry.oid if entry is not None and entry.mode == FOLDER else None


def _total(found: Iterable[New]) -> tuple[int, int]:
    return sum(new.files for new in found), sum(new.size for new in found)


def _is_flood(found: Sequence[New]) -> bool:
    files, size = _total(found)
    return files > MOST_FILES or size > MOST_BYTES


def _reasons(found: Sequence[New]) -> dict[str, str]:
    """Return why each path of a flood stays; small parts of it do not, unless there are only small ones."""
    parts: dict[str, list[New]] = {}
    for new in found:
        parts.setdefault(new.part, []).append(new)
    large = {part: inside for part, inside in parts.items() if not _is_small(inside)} or parts
    return {new.path: _reason(part, *_total(inside)) for part, inside in large.items() for new in inside}


def _is_small(found: Sequence[New]) -> bool:
    files, size = _total(found)
    return files <= SMALL_FILES and size <= SMALL_BYTES


def _reason(part: str, files: int, size: int) -> str:
    amount = f"{files:,} new files" if files > MOST_FILES else f"{files:,} new files of {size / 1e6:,.0f} MB"
    return f"{amount} at once; add them to .gitignore, or run `git add {shell_word(part or '.')}` to share them"
