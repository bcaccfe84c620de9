"""Packs that are small and mean much: made object by object, as Git itself would not."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bough_daemon.git.objects import FILE, FOLDER, TreeEntry, format_tree

NUMBERS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
OFFSET_DELTA = 6


@dataclass
class Bomb:
    """Objects of a pack, and the commit that they are for."""

    objects: list[tuple[str, bytes]]
    tip: str = ""

    def add(self, kind: str, data: bytes) -> str:
        """Add an object and return its id."""
        self.objects.append((kind, data))
        return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()

    def folder(self, entries: Mapping[str, TreeEntry]) -> TreeEntry:
        """Add a tree and return the entry for it."""
        return TreeEntry(FOLDER, self.add("tree", format_tree(entries)))

    def file(self, data: bytes) -> TreeEntry:
        """Add a blob and return the entry for it."""
        return TreeEntry(FILE, self.add("blob", data))

    def commit(
        self, entries: Mapping[str, TreeEntry], parent: str, message: bytes = b"bomb\n", date: bytes = b"1"
    ) -> Bomb:
        """End with a commit of a tree with these entries."""
        tree = self.folder(entries).oid.encode()
        who = b"M <m@example.org> %s +0000" % date
        lines = [b"tree " + tree, b"parent " + parent.encode(), b"author " + who, b"committer " + who, b"", message]
        self.tip = self.add("commit", b"\n".join(lines))
        return self

    def pack(self) -> bytes:
        """Return all of it as a pack."""
        return pack_of([(NUMBERS[kind], len(data), zlib.compress(data, 1)) for kind, data in self.objects])


def pack_of(objects: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return a pack of (type, size, what follows these two); the size may be a lie."""
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    for number, size, rest in objects:
        left, first = size >> 4, number << 4 | size & 15
        head = bytearray([first | (0x80 if left else 0)])
        while left:
            head.append(left & 0x7F | (0x80 if left >> 7 else 0))
            left >>= 7
        parts += [bytes(head), rest]
    made = b"".join(parts)
    return made + hashlib.sha1(made).digest()


def size_bytes(size: int) -> bytes:
    """Return a size as a delta begins with it."""
    made = bytearray()
    while True:
        made.append(size & 0x7F | (0x80 if size >> 7 else 0))
        size >>= 7
        if not size:
            return bytes(made)


def many_paths(parent: str, leaf: TreeEntry | None, levels: int = 8) -> Bomb:
    """Return a tree in which each of `levels` folders has ten names for the next one; None: the last are empty."""
    bomb = Bomb([])
    at = bomb.folder({"f": leaf} if leaf is not None else {})
    for _ in range(levels):
        at = bomb.folder({f"{number}": at for number in range(10)})
    return bomb.commit({"d": at} | ({"f": leaf} if leaf is not None else {}), parent)


def many_bytes(parent: str) -> Bomb:
    """Return a tree that names a file of 40 MiB a thousand times."""
    bomb = Bomb([])
    folder = bomb.folder({"zeros": bomb.file(bytes(40 << 20))})
    folder = bomb.folder({f"{number}": folder for number in range(10)})
    folder = bomb.folder({f"{number}": folder for number in range(10)})
    return bomb.commit({f"{number}": folder for number in range(10)}, parent)


def deep(parent: str, levels: int) -> Bomb:
    """Return a tree in which a file is `levels` folders down."""
    bomb = Bomb([])
    at = bomb.file(b"x")
    for _ in range(levels):
        at = bomb.folder({"d": at})
    return bomb.commit({"d": at}, parent)


def wide(parent: str, entries: int) -> Bomb:
    """Return a folder with many entries."""
    bomb = Bomb([])
    leaf = bomb.file(b"x")
    return bomb.commit({"d": bomb.folder({f"{number:07}": leaf for number in range(entries)})}, parent)


def long_name(parent: str, length: int, folders: int = 0) -> Bomb:
    """Return a file with a name of so many letters, in folders with such names."""
    bomb = Bomb([])
    at = bomb.file(b"x")
    for _ in range(folders):
        at = bomb.folder({"n" * length: at})
    return bomb.commit({"n" * length: at}, parent)


def entangled(parent: str, tree: str, commits: int) -> tuple[Bomb, str]:
    """Return two commits that have `commits` of one history each for a best common ancestor, the second by its id.

    Each is a merge of merges of all these: Git compares every one of them with every other one.
    """
    bomb = Bomb([])

    def add(parents: Sequence[str], message: str) -> str:
        who = b"M <m@example.org> 1700000000 +0000"
        named = b"".join(b"parent %s\n" % one.encode() for one in parents)
        lines = b"tree %s\n%sauthor %s\ncommitter %s\n\n%s\n" % (tree.encode(), named, who, who, message.encode())
        return bomb.add("commit", lines)

    level = [add([parent], f"{number}") for number in range(commits)]
    tips = list[str]()
    for name in ("one", "other"):
        merged = level
        while len(merged) > 1:
            merged = [add(merged[at : at + 2], f"{name} {at}") for at in range(0, len(merged), 2)]
        tips.append(merged[0])
    bomb.tip = tips[0]
    return bomb, tips[1]


def large_file(parent: str, size: int) -> Bomb:
    """Return a file of zeros."""
    bomb = Bomb([])
    return bomb.commit({"zeros": bomb.file(bytes(size))}, parent)


def large_message(parent: str, size: int) -> Bomb:
    """Return a commit with a long message."""
    return Bomb([]).commit({}, parent, b"x" * size)


def large_difference(size: int) -> bytes:
    """Return a pack in which a few bytes say that they make a file of any size."""
    base = zlib.compress(b"x" * 1000, 1)
    delta = size_bytes(1000) + size_bytes(size) + b"\x90\x10"
    first = pack_of([(NUMBERS["blob"], 1000, base)])[12:-20]
    offset = len(first)
    assert offset < 128
    return pack_of(
        [(NUMBERS["blob"], 1000, base), (OFFSET_DELTA, len(delta), bytes([offset]) + zlib.compress(delta, 1))]
    )
