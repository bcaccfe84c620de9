"""Find where the code of a comment is now in a tree: in its file, under the file's new name, or moved elsewhere.

Nothing of this is stored. If the anchor's snapshot is no longer here, the lines in the comment itself are searched.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from bough_merge.text.sequences import Hunk, changes
from bough_merge.text.text import lines_of

from bough_daemon.git.objects import FILE, FOLDER, Objects, TreeEntry
from bough_daemon.history.line_counts import text_at
from bough_daemon.talk.entries import Anchor
from bough_daemon.talk.line_ranges import (
    AROUND,
    Block,
    LineRange,
    agreement,
    bare_lines,
    block_of,
    find_block,
    likeness,
    range_in,
)

MOST_LISTED = 20_000  # changed files in which code is searched
MOST_SEARCHED = 1000  # of them, those that are read
MOST_SEARCHED_BYTES = 32 << 20
MOST_RENAMES = 100  # new files that are compared with one that is gone
RENAMED = 0.5  # share of equal lines from which on a new file is a renamed one: git's default
REMEMBERED = 5000  # comments
REMEMBERED_FILES = 500  # whose lines, or changes, are kept during a search
REMEMBERED_BYTES = 64 << 20  # of texts, during a search


@dataclass(frozen=True)
class CodePosition:
    """Where the code of a comment is in a tree."""

    path: str
    lines: LineRange


@dataclass(frozen=True)
class _Known:
    """An answer, and the tree that it applies to."""

    tree: str
    position: CodePosition | None


class PositionMemory:
    """Earlier answers, so that a tree with few changes needs little work."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, str], _Known] = OrderedDict()

    def get(self, digest: bytes, branch: str) -> _Known | None:
        """Return the last answer for a comment on a branch."""
        return self._known.get((digest, branch))

    def put(self, digest: bytes, branch: str, tree: str, position: CodePosition | None) -> None:
        """Remember an answer."""
        self._known[digest, branch] = _Known(tree, position)
        self._known.move_to_end((digest, branch))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def anchor_at(objects: Objects, commit: str, path: str, first: int, last: int) -> Anchor | None:
    """Return an anchor for lines of a file in a commit; None if it is not a text file with these lines."""
    entry = objects.entry(objects.commit(commit).tree, path)
    text = text_at(objects, entry) if entry is not None else None
    lines = lines_of(text) if text is not None else []
    if entry is None or not 0 < first <= last <= len(lines):
        return None
    above, below = lines[max(0, first - 1 - AROUND) : first - 1], lines[last : last + AROUND]
    code = b"".join(lines[first - 1 : last])
    return Anchor(os.fsencode(path), commit, entry.oid, first, code, b"".join(above), b"".join(below))


ChangedFile = tuple[str, TreeEntry | None, TreeEntry]  # a path, with its entry before and now


class PositionFinder:
    """Find the code of many comments; shared data is read once. On one thread."""

    def __init__(self, objects: Objects, memory: PositionMemory) -> None:
        self.objects = objects
        self._memory = memory
        self._texts: dict[str, bytes | None] = {}
        self._size = 0
        self._lines: dict[str, tuple[bytes, ...] | None] = {}
        self._hunks: dict[tuple[str, str], list[Hunk]] = {}
        self._changed: dict[tuple[str, str], list[ChangedFile]] = {}

    def position(self, anchor: Anchor, tree: str, digest: bytes, branch: str = "") -> CodePosition | None:
        """Return where the code of an anchor is in a tree; None: it is gone. `digest`, `branch`: the memory's key."""
        known = self._memory.get(digest, branch)
        if known is not None and known.tree == tree:
            return known.position
        search = _CodeSearch(self, anchor, tree)
        if known is not None and _still_holds(self.objects, known, tree, search.path):
            position = known.position
        else:
            position = search.position(known)
        self._memory.put(digest, branch, tree, position)
        return position

    def text(self, entry: TreeEntry) -> bytes | None:
        """Return the text of a file; None if it is not text."""
        if entry.oid not in self._texts:
            text = text_at(self.objects, entry)
            self._size += len(text or b"")
            if self._size > REMEMBERED_BYTES:
                self._texts.clear()
                self._size = len(text or b"")
            self._texts[entry.oid] = text
        return self._texts[entry.oid]

    def lines(self, entry: TreeEntry) -> tuple[bytes, ...] | None:
        """Return the lines of a file; None if it is not text."""
        if entry.oid not in self._lines:
            text = self.text(entry)
            if len(self._lines) >= REMEMBERED_FILES:
                self._lines.clear()
            self._lines[entry.oid] = bare_lines(text) if text is not None else None
        return self._lines[entry.oid]

    def hunks(self, old: TreeEntry, new: TreeEntry) -> list[Hunk]:
        """Return the changes between two text files."""
        if (old.oid, new.oid) not in self._hunks:
            if len(self._hunks) >= REMEMBERED_FILES:
                self._hunks.clear()
            self._hunks[old.oid, new.oid] = changes(self.lines(old) or (), self.lines(new) or ())
        return self._hunks[old.oid, new.oid]

    def changed(self, then: str, now: str) -> list[ChangedFile]:
        """Return the files of a tree that differ from those of another one."""
        if (then, now) not in self._changed:
            differ = islice(self.objects.difference(then, now), MOST_LISTED)
            self._changed[then, now] = [(path, old, new) for path, old, new in differ if new is not None]
        return self._changed[then, now]


def _still_holds(objects: Objects, known: _Known, tree: str, path: str) -> bool:
    """Return whether an answer for another tree is valid for this one, because its files are the same."""
    if known.position is None:
        return False
    about = dict.fromkeys((path, known.position.path))
    return all(objects.entry(known.tree, one) == objects.entry(tree, one) for one in about)


class _CodeSearch:
    """Search the code of one anchor in one tree."""

    def __init__(self, finder: PositionFinder, anchor: Anchor, tree: str) -> None:
        self._finder = finder
        self._objects = finder.objects
        self._anchor = anchor
        self._tree = tree
        self.path = os.fsdecode(anchor.path)
        self._block = block_of(anchor.code, anchor.above, anchor.below)
        self._old = self._old_text()

    def _old_text(self) -> bytes | None:
        """Return the text of the anchor; None if it is not here, or has other lines than the anchor."""
        entry = TreeEntry(FILE, self._anchor.blob)
        lines = self._finder.lines(entry) if self._objects.exists(self._anchor.blob) else None
        start = self._anchor.first - 1
        is_true = lines is not None and lines[start : start + len(self._block.code)] == self._block.code
        return self._finder.text(entry) if is_true else None

    def position(self, known: _Known | None) -> CodePosition | None:
        entry = self._objects.entry(self._tree, self.path)
        entry = entry if entry is not None and entry.mode != FOLDER else None
        if entry is not None:
            lines = self._in_file(entry)
            if lines is not None:
                return CodePosition(self.path, lines)
        changed = self._changed(known)
        renamed = self._renamed(changed) if entry is None else None
        return renamed or (self._moved(changed) if self._block.is_telling else None)

    def _in_file(self, entry: TreeEntry) -> LineRange | None:
        """Return where the code is in a later version of its file."""
        if self._old is not None and entry.oid == self._anchor.blob:
            return LineRange(self._anchor.first, self._anchor.first + len(self._block.code) - 1)
        after, then = self._finder.lines(entry), TreeEntry(FILE, self._anchor.blob)
        if after is None:
            return None
        if self._old is None:
            return find_block(after, self._block)
        before, hunks = self._finder.lines(then) or (), self._finder.hunks(then, entry)
        return range_in(before, after, hunks, self._anchor.first, self._block)

    def _changed(self, known: _Known | None) -> list[ChangedFile]:
        """Return files, with their entries before and now, that may have code from elsewhere; likely ones first.

        If the code was nowhere in another tree, only what has changed since.
        """
        if self._old is None or not self._objects.exists(self._anchor.commit):
            found = self._of_same_name()
        else:
            then = self._objects.commit(self._anchor.commit).tree
            found = [one for one in self._finder.changed(then, self._tree) if one[0] != self.path]
            if known is not None and known.position is None and self._objects.exists(known.tree):
                fresh = {path for path, _, _ in self._finder.changed(known.tree, self._tree)}
                found = [one for one in found if one[0] in fresh]
        name, ending = os.path.basename(self.path), os.path.splitext(self.path)[1]
        found.sort(key=lambda one: (os.path.basename(one[0]) != name, not one[0].endswith(ending), one[0]))
        return found[:MOST_SEARCHED]

    def _of_same_name(self) -> list[ChangedFile]:
        name = os.path.basename(self.path)
        everything = islice(self._objects.walk(self._tree), MOST_LISTED)
        return [(path, None, entry) for path, entry in everything if os.path.basename(path) == name]

    def _renamed(self, changed: Sequence[ChangedFile]) -> CodePosition | None:
        """Return where the code is under the new name of its file, which is gone."""
        if self._old is None:
            return None
        best, found = RENAMED, None
        for path, before, now in changed[:MOST_RENAMES]:
            if before is not None:
                continue
            if now.oid == self._anchor.blob:
                best, found = 1.0, (path, now)
                break
            text = self._finder.text(now)
            if text and min(len(text), len(self._old)) >= RENAMED * max(len(text), len(self._old)):
                like = likeness(self._old, text)
                if like >= best:
                    best, found = like, (path, now)
        lines = self._in_file(found[1]) if found is not None else None
        return CodePosition(found[0], lines) if found is not None and lines is not None else None

    def _moved(self, changed: Iterable[ChangedFile]) -> CodePosition | None:
        """Return where the code is in another file, among new lines; None if it is in several."""
        telling, left, found = max((line.strip() for line in self._block.code), key=len), MOST_SEARCHED_BYTES, []
        for path, before, now in changed:
            text = self._finder.text(now)
            left -= len(text) if text is not None else 0
            if left < 0:
                break
            if text is None or telling not in text:
                continue
            after = self._finder.lines(now) or ()
            is_text = before is not None and self._finder.lines(before) is not None
            hunks = self._finder.hunks(before, now) if before and is_text else [Hunk(0, 0, 0, len(after))]
            lines = new_block(after, hunks, self._block)
            if lines is not None:
                found.append(CodePosition(path, lines))
        return found[0] if len(found) == 1 else None


def new_block(after: Sequence[bytes], hunks: Sequence[Hunk], block: Block) -> LineRange | None:
    """Return where lines are among the new lines of a text; for a single one, with a neighbouring line."""
    found = find_block(after, block, [slice(one.new_start, one.new_end) for one in hunks])
    is_alone = found is not None and len(block.code) == 1 and not agreement(after, found.first - 1, block)
    return None if is_alone else found
