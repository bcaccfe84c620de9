"""Find files that one side of a fold renamed while the other edited them: the edits go into the renamed file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from bough_merge.text.text import lines_of

from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.merging.merge_input import Three
from bough_daemon.transaction.file_state import is_file

ALIKE = 0.5  # of the lines of the longer file
MOST_NEW = 200  # new files of one side that are compared with a missing one
LARGEST_BYTES = 512 * 1024  # the largest file whose lines are compared; a larger one must be identical


@dataclass(frozen=True)
class FoldRename:
    """A file of the base that one side renamed. `three`: its versions (base, host, guest)."""

    old: str
    new: str
    three: Three


def renames(objects: Objects, base: str, host: str, guest: str, paths: Iterable[str]) -> list[FoldRename]:
    """Return those of some paths of the base that one side renamed and the other edited, each with its new name."""
    found = list[FoldRename]()
    added = cache(lambda side: _added(objects, base, side))  # of each side once, and only if it is needed
    for path in paths:
        began, ours, theirs = (objects.entry(tree, path) for tree in (base, host, guest))
        if began is None or not is_file(began) or (ours is None) == (theirs is None):
            continue
        kept = ours if theirs is None else theirs
        side, other = (host, guest) if ours is None else (guest, host)
        new = _new_name(objects, added(side), began) if is_file(kept) and kept != began else None
        if new is None or objects.entry(other, new) is not None:
            continue
        moved = objects.entry(side, new)
        found.append(FoldRename(path, new, (began, moved, kept) if ours is None else (began, kept, moved)))
    names = Counter(one.new for one in found)
    return [one for one in found if names[one.new] == 1]


def _added(objects: Objects, base: str, side: str) -> dict[str, TreeEntry]:
    """Return the new files of one side."""
    changed = objects.difference(base, side)
    return {path: now for path, was, now in changed if was is None and now is not None and is_file(now)}


def _new_name(objects: Objects, added: Mapping[str, TreeEntry], began: TreeEntry) -> str | None:
    """Return the new file of one side that a file of the base became; None if there is none, or several may be it."""
    if len(added) > MOST_NEW:
        return None
    scores = {path: _alike(objects, began, now) for path, now in added.items()}
    best = max(scores.values(), default=0.0)
    names = [path for path, score in scores.items() if score == best]
    return names[0] if best >= ALIKE and len(names) == 1 else None


def _alike(objects: Objects, one: TreeEntry, other: TreeEntry) -> float:
    """Return the proportion of lines that two files share."""
    if one.oid == other.oid:
        return 1.0
    if any(objects.size(entry.oid) > LARGEST_BYTES for entry in (one, other)):
        return 0.0
    first, second = (Counter(lines_of(objects.blob(entry.oid))) for entry in (one, other))
    longer = max(first.total(), second.total())
    return (first & second).total() / longer if longer else 0.0
