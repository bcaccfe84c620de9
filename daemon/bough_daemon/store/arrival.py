"""Check what a teammate sent against the budgets, before anything else reads it.

A pack is first read as it arrived: it states how large each object will be. Then, unpacked in quarantine, the tree of
each commit is weighed: a few hundred bytes can name a folder with ten identical sub-folders, eight levels deep, which
is a hundred million paths. Each pair of folders is examined once, however often it occurs.

`python -m bough_daemon.store.arrival` does the same in a separate process, for what takes longer.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from bough_daemon.budgets import (
    CONTENT_BYTES,
    DEEPEST,
    ENTRY_BYTES,
    LARGEST_COMMIT_BYTES,
    LARGEST_FILE_BYTES,
    LARGEST_TREE_BYTES,
    LARGEST_TREE_ENTRIES,
    LONGEST_NAME,
    LONGEST_PATH,
    MOST_ENTRIES,
    MOST_FILE_BYTES,
    MOST_OBJECTS,
    UNPACKED_BYTES,
    UNPACKED_RATIO,
    Effort,
)
from bough_daemon.errors import HostilePack, StoreDamaged
from bough_daemon.git.objects import FOLDER, SUBMODULE, Objects, TreeEntry
from bough_daemon.store.completeness import Arrived

KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}  # as a pack numbers them (gitformat-pack)
OFFSET_DELTA, REFERENCE_DELTA = 6, 7
LARGEST = {
    "commit": LARGEST_COMMIT_BYTES,
    "tag": LARGEST_COMMIT_BYTES,
    "tree": LARGEST_TREE_BYTES,
    "blob": LARGEST_FILE_BYTES,
}
WORDS = {"commit": "a commit", "tag": "a tag", "tree": "a folder's list", "blob": "a file"}
FIRST_PIECE, PIECE = 512, 64 << 10  # bytes of a pack that are inflated at a time
DELTA_HEAD = 20  # bytes that hold the two sizes at the beginning of a delta
REFUSED = 3  # the exit code of a child that found something


# A pack as it arrived.


def check_pack(file: BinaryIO, size: int, effort: Effort) -> None:
    """Raise HostilePack for a pack with an object that is too large, or with too much in total."""
    if size < 32:
        raise HostilePack("a pack was refused: it is damaged")
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as pack:
        try:
            _check_pack(_Pack(pack, effort), size)
        except (IndexError, zlib.error) as damage:
            raise HostilePack("a pack was refused: it is damaged") from damage


def _check_pack(pack: _Pack, size: int) -> None:
    if pack.count > MOST_OBJECTS:
        raise HostilePack(f"a pack was refused: it has {pack.count:,} objects; the limit is {MOST_OBJECTS:,}")
    unpacked, most = 0, UNPACKED_BYTES + UNPACKED_RATIO * size
    for _ in range(pack.count):
        kind, length = pack.next()
        _check_size(kind, length)
        unpacked += length
        if unpacked > most:
            raise HostilePack(f"a pack was refused: {size:,} bytes unpack to more than {most:,}")


def _check_size(kind: str, size: int, oid: str = "") -> None:
    if size > LARGEST[kind]:
        named = f" (object {oid[:10]})" if oid else ""
        limit = f"{LARGEST[kind] >> 20} MiB"
        raise HostilePack(f"it has {WORDS[kind]} of {size >> 20} MiB{named}; the limit is {limit}", oid=oid)


class _Pack:
    """Read the sizes of a pack's objects in sequence."""

    def __init__(self, data: mmap.mmap, effort: Effort) -> None:
        self._data = data
        self._effort = effort
        self._at = 12
        self.count = int.from_bytes(data[8:12], "big")

    def next(self) -> tuple[str, int]:
        """Return the kind of the next object and its unpacked size.

        A delta counts as a file: only its base determines its kind.
        """
        first = self._byte()
        kind, size, shift = first >> 4 & 7, first & 15, 4
        while first & 0x80:
            first = self._byte()
            size |= (first & 0x7F) << shift
            shift += 7
        name = KINDS.get(kind, "blob")
        _check_size(name, size)
        if kind == OFFSET_DELTA:
            while self._byte() & 0x80:
                pass
        elif kind == REFERENCE_DELTA:
            self._at += 20
        head = self._inflate(size)
        return name, _size_of_result(head) if kind in (OFFSET_DELTA, REFERENCE_DELTA) else size

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _inflate(self, size: int) -> bytes:
        """Read over the content of an object, of `size` bytes, and return its beginning."""
        stream, head, made, piece = zlib.decompressobj(), b"", 0, FIRST_PIECE
        self._effort.spend()
        while not stream.eof:
            data = stream.unconsumed_tail
            if not data:
                data = self._data[self._at : self._at + piece]
                self._at += len(data)
                piece = min(2 * piece, PIECE)
                if not data:
                    raise zlib.error("the pack ends early")
            out = stream.decompress(data, PIECE)
            head = (head + out[:DELTA_HEAD])[:DELTA_HEAD]
            made += len(out)
            self._effort.spend(len(out) // CONTENT_BYTES)
            if made > size:
                raise zlib.error("an object is longer than its header says")
        self._at -= len(stream.unused_data)
        return head


def _size_of_result(delta: bytes) -> int:
    """Return the size of a delta's result: the second of the two numbers that it begins with."""
    at = 0
    while delta[at] & 0x80:
        at += 1
    size, shift = 0, 0
    while True:
        at += 1
        size |= (delta[at] & 0x7F) << shift
        shift += 7
        if not delta[at] & 0x80:
            return size


# Its content.


@dataclass(frozen=True, slots=True)
class Weight:
    """How much one folder has beyond another. `entries`: files and folders, each as often as it occurs.

    `size`: bytes of the files. `depth`: levels of folders below it. `longest`: bytes of the longest path.
    """

    entries: int = 0
    size: int = 0
    depth: int = 0
    longest: int = 0

    def __add__(self, other: Weight) -> Weight:
        """Return the weight of both in one folder."""
        depth, longest = max(self.depth, other.depth), max(self.longest, other.longest)
        return Weight(self.entries + other.entries, self.size + other.size, depth, longest)

    def check(self) -> None:
        """Raise HostilePack for anything over the limits."""
        if self.entries > MOST_ENTRIES:
            raise HostilePack(f"its tree has {self.entries:,} more paths than yours; the limit is {MOST_ENTRIES:,}")
        if self.size > MOST_FILE_BYTES:
            raise HostilePack(f"its files are {self.size >> 30:,} GiB more than yours")
        if self.depth > DEEPEST:
            raise HostilePack(f"its folders are more than {DEEPEST} levels deep")
        if self.longest > LONGEST_PATH:
            raise HostilePack(f"it has a path of {self.longest} bytes; the limit is {LONGEST_PATH}")


Weights = dict[tuple[str | None, str], Weight]
MOST_WEIGHTS = 50_000  # that are remembered


def check_objects(arrived: Arrived, commits: Sequence[str], mine: str | None, weights: Weights, effort: Effort) -> None:
    """Raise HostilePack if an arrived object, or the tree of one of `commits`, exceeds the limits.

    `mine`: a commit of this member's own, whose content is exempt. `weights`: previous results.
    """
    if len(weights) > MOST_WEIGHTS:
        weights.clear()
    look = partial(_check_objects, arrived, commits, mine, weights, effort)
    try:
        look()
    except StoreDamaged:
        arrived.refresh()  # existing objects may have been packed meanwhile
        try:
            look()
        except StoreDamaged as missing:
            raise HostilePack(missing.message) from missing


def _check_objects(
    arrived: Arrived, commits: Sequence[str], mine: str | None, weights: Weights, effort: Effort
) -> None:
    new = _new_commits(arrived, effort)
    own = arrived.commit(mine).tree if mine is not None and arrived.exists(mine) else None
    scale = _Scale(arrived, weights, effort)
    for oid in dict.fromkeys([*new, *commits]):
        if arrived.header(oid)[0] != "commit":
            raise HostilePack(f"{oid} is not a commit", oid=oid)
        scale.weigh(own, arrived.commit(oid).tree).check()


def _new_commits(arrived: Arrived, effort: Effort) -> list[str]:
    """Return the commits that were sent; raise HostilePack for an object that is too large."""
    commits = list[str]()
    for oid in arrived.own_names():
        effort.spend()
        if arrived.sent(oid):
            kind, size = arrived.header(oid)
            _check_size(kind, size, oid)
            if kind == "commit":
                commits.append(oid)
    return commits


class _Scale:
    """Weigh trees, each pair of folders once."""

    def __init__(self, objects: Objects, weights: Weights, effort: Effort) -> None:
        self._objects = objects
        self._weights = weights
        self._effort = effort

    def weigh(self, old: str | None, new: str, depth: int = 0) -> Weight:
        """Return the weight of what the tree `new` has that `old` does not have at the same place."""
        if old == new:
            return Weight()
        known = self._weights.get((old, new))
        if known is None:
            if depth > DEEPEST:
                raise HostilePack(f"its folders are more than {DEEPEST} levels deep")
            left = self._objects.tree(old) if old is not None else {}
            known = Weight(entries=1)
            for name, entry in self._entries(new, LARGEST_TREE_ENTRIES + len(left)).items():
                if entry != left.get(name):
                    known += self._entry(left.get(name), name, entry, depth)
            self._weights[old, new] = known
        return known

    def _entries(self, oid: str, most: int) -> dict[str, TreeEntry]:
        size = self._size(oid, "tree")
        self._effort.spend(1 + size // ENTRY_BYTES)
        _check_size("tree", size, oid)
        entries = self._objects.tree(oid)
        if len(entries) > most:
            found = f"a folder with {len(entries):,} entries (object {oid[:10]})"
            raise HostilePack(f"it has {found}; the limit is {most:,}", oid=oid)
        return entries

    def _entry(self, was: TreeEntry | None, name: str, entry: TreeEntry, depth: int) -> Weight:
        length = len(os.fsencode(name))
        if length > LONGEST_NAME:
            raise HostilePack(f"it has a name of {length} bytes; the limit is {LONGEST_NAME}")
        if entry.mode == FOLDER:
            below = self.weigh(was.oid if was is not None and was.mode == FOLDER else None, entry.oid, depth + 1)
            return Weight(below.entries, below.size, below.depth + 1, length + 1 + below.longest)
        return Weight(1, self._size(entry.oid, "blob") if entry.mode != SUBMODULE else 0, 0, length)

    def _size(self, oid: str, expected: str) -> int:
        kind, size = self._objects.header(oid)
        if kind != expected:
            raise HostilePack(f"object {oid[:10]} is a {kind}, but its folder says it is a {expected}", oid=oid)
        return size


# In a separate process.


def objects_task(quarantine: str, store: str, pack_bytes: int, commits: Sequence[str], mine: str | None) -> str:
    """Return the argument with which `python -m bough_daemon.store.arrival` does what `check_objects` does."""
    return json.dumps({"arrived": [quarantine, store, pack_bytes], "commits": list(commits), "mine": mine})


def _look() -> None:
    effort = Effort()
    if sys.argv[1] == "pack":
        check_pack(sys.stdin.buffer, os.fstat(0).st_size, effort)
        return
    task = json.loads(sys.argv[1])
    check_objects(Arrived(*task["arrived"]), task["commits"], task["mine"], {}, effort)


def main(look: Callable[[], None] = _look) -> int:
    """Check what arrived; return the exit code, with the reason for a refusal on stderr."""
    os.nice(10)
    try:
        look()
    except HostilePack as refused:
        sys.stderr.write(refused.message)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
