"""Git objects in the store: read from all its sources, always written into its own folder.

libgit2 does not write an object that an alternate already has, and then the user's `git gc --prune=now` removes it from
the store. So writing uses an object database that knows only the store's own folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import NamedTuple

import pygit2
from pygit2.enums import ObjectType

from bough_daemon.errors import DiskFull, StoreDamaged
from bough_daemon.system.durable import sync_filesystem, write_whole

FILE, EXECUTABLE, LINK, SUBMODULE, FOLDER = 0o100644, 0o100755, 0o120000, 0o160000, 0o040000
SYNCED_ONE_BY_ONE = 32  # objects; beyond these one sync of the file system is cheaper
REMEMBERED_TREES, REMEMBERED_ENTRIES = 4096, 500_000  # trees, and entries in all of them
LATEST = 253_402_300_799  # the last second of the year 9999, the end of some calendars
LONGEST_DATE = 15  # digits, more than LATEST has
MOST_PAIRS = 64  # pairs of trees whose differences are remembered
HEAVY_TREE_BYTES = 64 * 1024  # such a tree is not compressed: it is mostly ids, and compressing dominates the time
OID_BYTES = 20
MOST_LARGE = 8  # large trees whose bytes are remembered
MOST_PATCHES = 20  # entries, in one step
LARGE_TREE = 1000  # entries; beyond these a tree is written by patching the bytes of the previous one
EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # every empty file: nothing to purge
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # which Git knows without storing it
GRAFTS = os.path.join("info", "grafts")
IN_MEMORY_BYTES = 64 * 1024 * 1024
TYPES = {ObjectType.COMMIT: "commit", ObjectType.TREE: "tree", ObjectType.BLOB: "blob", ObjectType.TAG: "tag"}


class TreeEntry(NamedTuple):
    """One entry of a tree: its mode as Git writes it, and the id of its object."""

    mode: int
    oid: str


Change = tuple[str, TreeEntry | None, TreeEntry | None]  # a path, with its entry before and after


@dataclass(frozen=True)
class Commit:
    """The fields of a commit that Bough reads. `time`: seconds since the epoch."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    time: int
    message: str

    def trailer(self, name: str) -> str | None:
        """Return the value of a trailer `Name: value` of the message's last paragraph, or None."""
        last = self.message.rstrip().rsplit("\n\n", 1)[-1]
        for line in last.splitlines():
            key, found, value = line.partition(": ")
            if found and key == name:
                return value.strip()
        return None


def read_grafts(git_dir: str) -> dict[str, tuple[str, ...]]:
    """Return the parents that commits have in place of those they name, which are gone (gitrepository-layout)."""
    try:
        with open(os.path.join(git_dir, GRAFTS)) as source:
            lines = [line.split() for line in source]
    except FileNotFoundError:
        return {}
    return {oid: tuple(parents) for oid, *parents in lines}


def parse_tree(data: bytes, width: int = OID_BYTES) -> dict[str, TreeEntry]:
    """Return the entries of a raw tree object, in Git's order; `width`: bytes of an object id."""
    return {name: TreeEntry(mode, data[at : at + width].hex()) for name, mode, at in _scan_tree(data, width)}


def _scan_tree(data: bytes, width: int = OID_BYTES) -> Iterator[tuple[str, int, int]]:
    """Yield (name, mode, where the object id begins) of each entry of a raw tree object; raise StoreDamaged."""
    at = 0
    try:
        while at < len(data):
            space = data.index(b" ", at)
            end, mode = data.index(b"\0", space), data[at:space]
            if not mode.isdigit():  # int takes signs, blanks and underscores
                raise ValueError(mode)
            yield os.fsdecode(data[space + 1 : end]), int(mode, 8), end + 1
            at = end + 1 + width
    except ValueError as damage:
        raise StoreDamaged("a tree in the store is damaged") from damage
    if at > len(data):
        raise StoreDamaged("a tree in the store is truncated")


def format_tree(entries: Mapping[str, TreeEntry]) -> bytes:
    """Return the raw tree object of `entries`, sorted as Git sorts."""
    named = sorted(entries.items(), key=lambda one: _sort_key(one[0], one[1].mode))
    return b"".join(b"%o %s\0%s" % (one.mode, os.fsencode(name), bytes.fromhex(one.oid)) for name, one in named)


def _sort_key(name: str, mode: int) -> bytes:
    return os.fsencode(name) + (b"/" if mode == FOLDER else b"")


@dataclass(frozen=True)
class _LargeTree:
    """A tree's bytes; the sort keys of its entries, in order, and where each entry ends in the bytes."""

    data: bytes
    keys: list[bytes]
    ends: list[int]

    @classmethod
    def of(cls, data: bytes) -> _LargeTree | None:
        """Return the index of a tree; None if it is not sorted as Git sorts."""
        scanned = list(_scan_tree(data))
        keys = [_sort_key(name, mode) for name, mode, _ in scanned]
        is_sorted = all(one < next_one for one, next_one in pairwise(keys))
        return cls(data, keys, [at + OID_BYTES for _, _, at in scanned]) if is_sorted else None

    def patched(
        self, before: Mapping[str, TreeEntry], after: Mapping[str, TreeEntry], names: Iterable[str]
    ) -> _LargeTree:
        """Return the tree after a change of some names, patched from the tree before it."""
        tree = self
        for name in names:
            was, now = before.get(name), after.get(name)
            if was is not None and now is not None and _sort_key(name, was.mode) != _sort_key(name, now.mode):
                tree, was = tree._with(name, was, None), None
            if was != now:
                tree = tree._with(name, was, now)
        return tree

    def _with(self, name: str, was: TreeEntry | None, now: TreeEntry | None) -> _LargeTree:
        """Return the tree with one entry replaced, added or removed."""
        named = now or was
        assert named is not None
        key = _sort_key(name, named.mode)
        first = bisect_left(self.keys, key)
        after = first + (was is not None)
        begin = self.ends[first - 1] if first else 0
        end = self.ends[after - 1] if after else 0
        piece = format_tree({name: now}) if now is not None else b""
        data = b"".join((self.data[:begin], piece, self.data[end:]))
        grown = len(piece) - (end - begin)
        if now is not None and was is not None and grown == 0:
            return _LargeTree(data, self.keys, self.ends)
        mine = ([key], [begin + len(piece)]) if now is not None else ([], [])
        keys = [*self.keys[:first], *mine[0], *self.keys[after:]]
        return _LargeTree(data, keys, [*self.ends[:first], *mine[1], *(one + grown for one in self.ends[after:])])


class _Folder(dict[str, "TreeEntry | _Folder | None"]):
    """The changes below one folder; `replaced` if the former entry at its path is gone entirely."""

    def __init__(self, replaced: bool = False) -> None:
        super().__init__()
        self.replaced = replaced


class Objects:
    """The objects of one store. Not for use by two threads at once.

    `objects_dir`: the store's own object folder, whose alternates include the user's. `heavy_bytes`: how much was
    written uncompressed since this was last reset to zero; a pack shrinks it to nearly nothing.
    """

    def __init__(self, objects_dir: str) -> None:
        self.folder = objects_dir
        self._trees: dict[str, dict[str, TreeEntry]] = {}
        self._entries = 0
        self._pairs: dict[tuple[str, str], tuple[str, ...]] = {}
        self._large: dict[str, _LargeTree] = {}
        self._written = 0
        self.heavy_bytes = 0
        self.refresh()

    def refresh(self) -> None:
        """Reopen the databases: objects that another process packed or brought become visible."""
        self._readable = pygit2.Odb(self.folder)
        self._own = self._database(synced=True)
        self._unsynced = self._database(synced=False)
        self._grafts = read_grafts(os.path.dirname(self.folder))

    def _database(self, synced: bool) -> pygit2.Odb:
        """Return a database of the store's own folder alone, to write to."""
        database = pygit2.Odb()
        database.add_backend(pygit2.OdbBackendPack(self.folder), 1)
        database.add_backend(pygit2.OdbBackendLoose(self.folder, 1, synced, 0o700, 0o400), 2)
        return database

    def exists(self, oid: str) -> bool:
        """Return whether the object can be read, here or in an alternate."""
        return oid in self._readable

    def owns(self, oid: str) -> bool:
        """Return whether the store's own folder holds the object."""
        return oid in self._own

    def read(self, oid: str) -> tuple[str, bytes]:
        """Return (type, content) of an object; raise StoreDamaged if it is missing."""
        try:
            kind, data = self._readable.read(oid)
        except KeyError:
            if oid == EMPTY_TREE:
                return "tree", b""
            raise StoreDamaged(f"object {oid} is missing from the store", oid=oid) from None
        return TYPES[ObjectType(kind)], data

    def blob(self, oid: str) -> bytes:
        """Return a blob's content."""
        return self.read(oid)[1]

    def header(self, oid: str) -> tuple[str, int]:
        """Return (type, size in bytes) of an object; raise StoreDamaged if it is missing."""
        try:
            kind, size = self._readable.read_header(oid)
        except KeyError:
            if oid == EMPTY_TREE:
                return "tree", 0
            raise StoreDamaged(f"object {oid} is missing from the store", oid=oid) from None
        return TYPES[ObjectType(kind)], int(size)

    def size(self, oid: str) -> int:
        """Return the size of an object's content in bytes; raise StoreDamaged if it is missing."""
        return self.header(oid)[1]

    def own_names(self) -> Iterator[str]:
        """Yield the ids of the objects in the store's own folder."""
        return map(str, self._own)

    def tree(self, oid: str) -> dict[str, TreeEntry]:
        """Return a tree's entries by name. The result is shared: copy it before changing it."""
        known = self._trees.get(oid)
        if known is None:
            known = parse_tree(self.read(oid)[1])
            self._remember(oid, known)
        return known

    def _remember(self, tree: str, entries: dict[str, TreeEntry]) -> None:
        self._entries += len(entries)
        if len(self._trees) >= REMEMBERED_TREES or self._entries > REMEMBERED_ENTRIES:
            self._trees.clear()
            self._entries = len(entries)
        self._trees[tree] = entries

    def changed_names(self, old: str | None, new: str | None) -> tuple[str, ...]:
        """Return the names whose entries differ between two trees."""
        if old == new:
            return ()
        if old is None or new is None:
            return tuple(self.tree(old or new or EMPTY_TREE))
        known = self._pairs.get((old, new))
        if known is None:
            left, right = self.tree(old), self.tree(new)
            step = next((step for step in self._pairs if step[1] == new and (old, step[0]) in self._pairs), None)
            if step is not None:
                names: Iterable[str] = dict.fromkeys([*self._pairs[old, step[0]], *self._pairs[step]])
                known = tuple(name for name in names if left.get(name) != right.get(name))
            else:
                changed = [name for name, entry in right.items() if left.get(name) != entry]
                gone = () if len(left) + len(changed) == len(right) else left.keys() - right.keys()
                known = tuple(chain(changed, gone))
            self._note_pair(old, new, known)
        return known

    def _note_pair(self, old: str, new: str, names: tuple[str, ...]) -> None:
        while len(self._pairs) >= MOST_PAIRS:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[old, new] = names

    def commit(self, oid: str) -> Commit:
        """Return the fields of a commit; where its parents were removed, it has the next older ones, as for Git."""
        head, _, message = self.read(oid)[1].decode(errors="replace").partition("\n\n")
        tree, parents, author = "", [], ""
        for line in head.splitlines():
            key, _, value = line.partition(" ")
            if key == "tree":
                tree = value
            elif key == "parent":
                parents.append(value)
            elif key == "author":
                author = value
        name, _, rest = author.partition(" <")
        email, _, when = rest.partition("> ")
        return Commit(oid, tree, self._grafts.get(oid, tuple(parents)), name, email, _seconds_in(when), message)

    @property
    def grafted(self) -> AbstractSet[str]:
        """The commits that have other parents than they name."""
        return self._grafts.keys()

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """Return the entry at `path` below a tree, or None if there is none."""
        at = TreeEntry(FOLDER, tree)
        for name in path.split("/") if path else []:
            if at.mode != FOLDER:
                return None
            below = self.tree(at.oid).get(name)
            if below is None:
                return None
            at = below
        return at

    def walk(self, tree: str, under: str = "") -> Iterable[tuple[str, TreeEntry]]:
        """Yield every (path, entry) below a tree that is not a folder itself."""
        pending = [(under, tree)]
        while pending:
            prefix, oid = pending.pop()
            for name, entry in self.tree(oid).items():
                path = f"{prefix}/{name}" if prefix else name
                if entry.mode == FOLDER:
                    pending.append((path, entry.oid))
                else:
                    yield path, entry

    def difference(self, old: str | None, new: str | None) -> Iterable[Change]:
        """Yield (path, entry in old, entry in new) for every path that differs; equal folders are not opened."""
        return chain.from_iterable(self._differences(old, new))

    def some_difference(self, old: str | None, new: str | None, most: int) -> tuple[list[str], bool]:
        """Return up to `most` paths that differ, sorted, and whether there are more.

        At most `most` folders are opened, so it is fast for any trees.
        """
        paths, folders = list[str](), self._differences(old, new)
        for changes in islice(folders, most):
            paths += [path for path, _, _ in changes]
            if len(paths) > most:
                break
        more = len(paths) > most or next(folders, None) is not None
        return sorted(paths[:most]), more

    def _differences(self, old: str | None, new: str | None) -> Iterator[list[Change]]:
        """Yield the differences of two trees, folder by folder."""
        pending: list[tuple[str, str | None, str | None]] = [("", old, new)]
        while pending:
            prefix, before, after = pending.pop()
            if before == after:
                continue
            found = list[Change]()
            left = self.tree(before) if before else {}
            right = self.tree(after) if after else {}
            for name in self.changed_names(before, after):
                a, b = left.get(name), right.get(name)
                path = f"{prefix}/{name}" if prefix else name
                folder_a = a.oid if a is not None and a.mode == FOLDER else None
                folder_b = b.oid if b is not None and b.mode == FOLDER else None
                if folder_a or folder_b:
                    pending.append((path, folder_a, folder_b))
                file_a, file_b = (None if folder_a else a), (None if folder_b else b)
                if file_a is not None or file_b is not None:
                    found.append((path, file_a, file_b))
            yield found

    def write(self, kind: str, data: bytes) -> str:
        """Write an object into the store's own folder and return its id; raise DiskFull if there is no space.

        It is synced at the latest by `settle`, which comes before any reference that reaches it.
        """
        number = next(number for number, name in TYPES.items() if name == kind)
        self._written += 1
        target = self._own if self._written <= SYNCED_ONE_BY_ONE else self._unsynced
        try:
            if kind == "tree" and len(data) >= HEAVY_TREE_BYTES:
                return self._write_heavy(kind, data)
            return str(target.write(number, data))
        except (pygit2.GitError, OSError) as failure:
            raise _write_failure(failure) from failure

    def write_large_blob(self, data: bytes) -> str:
        """Write a blob, uncompressed if it is large and still new: an index is mostly ids, too."""
        return self._write_heavy("blob", data) if len(data) >= HEAVY_TREE_BYTES else self.write_blob(data)

    def _write_heavy(self, kind: str, data: bytes) -> str:
        """Write an object uncompressed, synced, as a loose object; libgit2 would compress it."""
        whole = b"%b %d\0%b" % (kind.encode(), len(data), data)
        oid = hashlib.sha1(whole).hexdigest()
        if not self.owns(oid):
            folder = os.path.join(self.folder, oid[:2])
            with suppress(FileExistsError):
                os.mkdir(folder, mode=0o700)
            write_whole(os.path.join(folder, oid[2:]), zlib.compress(whole, 0))
            self.heavy_bytes += len(data)
        return oid

    def settle(self) -> None:
        """Sync what was written: a few objects have been synced one by one, many are all at once."""
        if self._written > SYNCED_ONE_BY_ONE:
            sync_filesystem(self.folder)
        self._written = 0

    def write_blob(self, data: bytes) -> str:
        """Write a blob and return its id."""
        return self.write("blob", data)

    def write_tree(self, entries: Mapping[str, TreeEntry]) -> str:
        """Write a tree and return its id."""
        return self.write("tree", format_tree(entries))

    def write_commit(self, tree: str, parents: Sequence[str], author: str, when: int, message: str) -> str:
        """Write a commit by `author` (`Name <email>`) at `when` (seconds since the epoch, UTC) and return its id."""
        who = f"{author} {when} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
        return self.write("commit", ("\n".join(lines) + "\n\n" + message).encode(errors="surrogateescape"))

    def splice(self, tree: str | None, changes: Mapping[str, TreeEntry | None]) -> str:
        """Return `tree` with each path replaced by its entry, or removed if that is None.

        Only the folders on the way to a change are rebuilt. A path that runs through a file replaces that file; an
        empty folder vanishes. Removals come first, so that a file may become a folder and vice versa.
        """
        nested = _Folder()
        for path, entry in sorted(changes.items(), key=lambda change: change[1] is not None):
            at = nested
            *folders, name = path.split("/")
            for folder in folders:
                below = at.get(folder)
                if not isinstance(below, _Folder):
                    below = at[folder] = _Folder(replaced=folder in at)
                at = below
            at[name] = entry
        return self._splice(tree, nested) or self.write_tree({})

    def _splice(self, tree: str | None, changes: _Folder) -> str | None:
        entries = dict(self.tree(tree)) if tree and not changes.replaced else {}
        for name, change in changes.items():
            if isinstance(change, TreeEntry):
                entries[name] = change
            elif isinstance(change, _Folder):
                old = entries.pop(name, None)
                below = self._splice(old.oid if old is not None and old.mode == FOLDER else None, change)
                if below:
                    entries[name] = TreeEntry(FOLDER, below)
                elif old is not None and old.mode != FOLDER and not change.replaced:
                    entries[name] = old
            else:
                entries.pop(name, None)
        if not entries:
            return None
        if tree and not changes.replaced and len(entries) >= LARGE_TREE:
            made = self._write_large(tree, entries, changes)
        else:
            made = self.write_tree(entries)
        self._remember(made, entries)
        if tree and tree != made and not changes.replaced:
            was = self.tree(tree)
            self._note_pair(tree, made, tuple(name for name in changes if was.get(name) != entries.get(name)))
        return made

    def _write_large(self, old: str, entries: Mapping[str, TreeEntry], names: Collection[str]) -> str:
        """Write a large tree by patching the entries of some names in another one."""
        before = self._large_tree(old) if len(names) <= MOST_PATCHES else None
        if before is None or len(before.keys) != len(self.tree(old)):
            return self.write_tree(entries)
        after = before.patched(self.tree(old), entries, names)
        made = self.write("tree", after.data)
        while len(self._large) >= MOST_LARGE:
            del self._large[next(iter(self._large))]
        self._large[made] = after
        return made

    def _large_tree(self, oid: str) -> _LargeTree | None:
        known = self._large.pop(oid, None)
        return known if known is not None else _LargeTree.of(self.read(oid)[1])

    def own(self, oids: Iterable[str]) -> None:
        """Copy objects that only an alternate has into the store's own folder."""
        for oid in oids:
            if not self.owns(oid):
                kind, data = self.read(oid)
                self.write(kind, data)

    def own_tree_difference(self, old: str | None, new: str) -> None:
        """Copy every tree and blob of `new` that `old` does not have at the same place into the store's own folder."""
        pending: list[tuple[str | None, str]] = [(old, new)]
        while pending:
            before, after = pending.pop()
            if before == after:
                continue
            self.own([after])
            left = self.tree(before) if before else {}
            for name, entry in self.tree(after).items():
                was = left.get(name)
                if entry == was or entry.mode == SUBMODULE:
                    continue
                if entry.mode == FOLDER:
                    pending.append((was.oid if was is not None and was.mode == FOLDER else None, entry.oid))
                else:
                    self.own([entry.oid])

    def remove_loose(self, oids: Iterable[str]) -> None:
        """Remove the loose files of objects."""
        for oid in oids:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, oid[:2], oid[2:]))

    def forget(self) -> None:
        """Reopen everything from disk: objects were removed."""
        for known in (self._trees, self._pairs, self._large):
            known.clear()
        self._entries = 0
        self.refresh()

    def loose(self) -> list[str]:
        """Return the ids of the store's own loose objects."""
        found: list[str] = []
        for first in os.listdir(self.folder):
            if len(first) == 2:
                found += [first + rest for rest in os.listdir(os.path.join(self.folder, first)) if len(rest) == 38]
        return found


def _seconds_in(when: str) -> int:
    """Return the date in a commit, whatever its author's program wrote; 0 if it is not a number."""
    digits = when.split(" ")[0]
    return min(int(digits[:LONGEST_DATE]), LATEST) if digits.isascii() and digits.isdigit() else 0


def _write_failure(failure: Exception) -> Exception:
    full = getattr(failure, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(failure)
    return DiskFull("the disk is full; the last snapshot is kept") if full else failure
