"""What comes in packs: the packs themselves, and trees and commits, alone and taken into a store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from bough_daemon.budgets import Effort, OutOfEffort
from bough_daemon.errors import GitFailed, HostilePack, StoreDamaged
from bough_daemon.git.objects import Objects, parse_tree
from bough_daemon.history.timeline import chain, merged_tips, read_snapshot, timeline
from bough_daemon.store.arrival import check_pack
from bough_daemon.store.packs import Measure, Spool, take_pack
from bough_daemon.store.store import LIVE, Store
from bough_daemon.system.threads import StoreThread

from tests.attack.bombs import NUMBERS, OFFSET_DELTA, pack_of, size_bytes
from tests.daemon.support import git, make_repository
from tests.fuzz.target import Drawn, Trial, target

WHO = b"Alice <alice@example.org> 1700000000 +0100"
MODES = [b"100644", b"100755", b"120000", b"160000", b"40000", b"040000", b"0", b"100600", b"77777777", b"", b"4_0"]
FILE_NAMES = [
    b"a",
    b"a.txt",
    b"b",
    "ü".encode(),
    b"\xff",
    b"con",
    b".gitmodules",
    b"x" * 300,
    b".git",
    b"..",
    b"a/b",
    b"",
]
MODULES = b'[submodule "a"]\n\tpath = ../x\n'
DATES = [b"1 +0000", b"1 +0", b"99999999999999999999 +9999", b"-1 -0000", b"253402300800 +0000", b"x", b"1e9 +0000"]
PEOPLE = [b"", b"<>", b"A <a>", b"\xff <\0> 1 +1", *(b"A <a> " + date for date in DATES)]
KEYS = ["Bough-Base", "Bough-Event", "Bough-Operation", "Bough-Previous", "Bough-Shared", "Bough-Brought"]
MESSAGES = [b"", b"save\n", b"\xff\xfe", b"x" * 5000, b"\n\n\n", b"save\n\nBough-Base: \n", b"\x1b]0;x\x07\n"]
SHOWN = 50  # snapshots and entries of what was taken that are read again


def object_id(kind: str, data: bytes) -> str:
    """Return the id of an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()


def _file_of(data: bytes, folder: Path) -> Spool:
    spool = Spool.below(str(folder))
    spool.append(data)
    return spool


class _Packer:
    """Draw the objects of a pack: right ones where zeros are drawn. `known`: ids of objects that are there, by kind."""

    def __init__(self, drawn: Drawn, known: Mapping[str, Sequence[str]]) -> None:
        self._drawn = drawn
        self._pick = drawn.choice
        self._known = {kind: list(oids) for kind, oids in known.items()}
        self._objects: list[tuple[int, int, bytes]] = []

    @property
    def tip(self) -> str:
        """The newest commit."""
        return self._known["commit"][0]

    def _mostly(self) -> bool:
        return self._drawn.random() < 0.93

    def _add(self, kind: str, data: bytes) -> None:
        size = len(data) if self._mostly() else self._pick([len(data), len(data) + 1, 0, 2**32, 2**62])
        packed = zlib.compress(data, 1)
        if not self._mostly():
            packed = self._pick([packed, packed[:-1], b"", packed + b"\0", self._drawn.take(8)])
        self._objects.append((NUMBERS[kind], size, packed))
        self._known.setdefault(kind, []).insert(0, object_id(kind, data))

    def _oid(self, kind: str) -> str:
        if self._mostly():
            return self._pick(self._known[kind])
        return self._pick([*(oid for oids in self._known.values() for oid in oids), "0" * 40, "1" * 40])

    def blob(self) -> None:
        """Add a file."""
        self._add("blob", self._pick([b"x", b"", MODULES, self._drawn.take(20), bytes(9999)]))

    def tree(self) -> None:
        """Add a folder."""
        entries = dict[bytes, bytes]()
        for _ in range(self._drawn.randrange(4)):
            kind = self._pick(["blob", "blob", "tree"])
            mode = self._pick([b"40000", *MODES] if kind == "tree" else [b"100644", *MODES])
            name = self._pick(FILE_NAMES[:4] if self._mostly() else FILE_NAMES)
            entries[name] = b"%s %s\0%s" % (mode, name, bytes.fromhex(self._oid(kind)))
        names = sorted(entries) if self._mostly() else list(entries)
        data = b"".join(entries[name] for name in names)
        self._add("tree", data if self._mostly() else self._pick([data, data[:-3], data * 2, data + b"1"]))

    def commit(self) -> None:
        """Add a commit, with trailers as a snapshot has."""
        lines = [b"tree " + self._oid("tree").encode()] * (1 if self._mostly() else self._pick([1, 0, 2]))
        lines += [b"parent " + self._oid("commit").encode() for _ in range(self._pick([1, 1, 0, 2]))]
        lines += [role + self._pick([WHO, WHO, *PEOPLE]) for role in (b"author ", b"committer ")]
        lines += [b"encoding " + self._pick([b"UTF-8", b"x", b""])] * self._pick([0, 0, 1])
        lines += [b"gpgsig x\n y", b"mergetag object\n z", self._drawn.take(9)][: self._pick([0, 0, 1, 3])]
        ids = [self._oid("commit"), self._oid("tree")]
        values = [*ids, " ".join(ids * 300), "", "x", "rebase", "[/x]", "\x9b1m"]
        trailers = "".join(f"{self._pick(KEYS)}: {self._pick(values)}\n" for _ in range(self._drawn.randrange(5)))
        self._add("commit", b"\n".join([*lines, b"", self._pick(MESSAGES) + b"\n\n" + trailers.encode()]))

    def tag(self) -> None:
        """Add a tag."""
        named = (self._oid("commit").encode(), self._pick([WHO, *PEOPLE]))
        self._add("tag", b"object %s\ntype commit\ntag x\ntagger %s\n\nx\n" % named)

    def delta(self) -> None:
        """Add a difference from the object before."""
        sizes = [size_bytes(self._pick([0, 1, 20, 2**31, 2**62])) for _ in range(2)]
        data = b"".join(sizes) + self._pick([b"", b"\x90\x10", b"\1x", b"\xff" * 9, self._drawn.take(4)])
        offset = self._pick([b"\x20", b"\0", b"\x81\x10", b"\xff" * 4 + b"\1"])
        self._objects.append((OFFSET_DELTA, len(data), offset + zlib.compress(data, 1)))

    def pack(self) -> bytes:
        """Return a pack of a few objects, with a commit at its end."""
        kinds = [self.blob, self.tree, self.commit] * 6 + [self.tag, self.delta]
        for _ in range(1 + self._drawn.randrange(8)):
            self._pick(kinds)()
        self.commit()
        return pack_of(self._objects)


def _sealed(data: bytes) -> bytes:
    """Return bytes as a pack whose head and checksum are right."""
    body = b"PACK" + (2).to_bytes(4, "big") + data
    return body + hashlib.sha1(body).digest()


@target(HostilePack, OutOfEffort, short=300)
def packs(folder: Path) -> Iterator[Trial]:
    """Look at packs as they came: drawn ones, and any bytes with a right checksum."""
    nothing = {kind: ["2" * 40] for kind in ("commit", "tree", "blob")}

    def attempt(data: bytes) -> None:
        pack = _Packer(Drawn(data[1:]), nothing).pack() if data[:1] == b"\0" else _sealed(data[1:])
        spool = _file_of(pack, folder)
        try:
            check_pack(spool.file, spool.size, Effort(200_000))
        finally:
            spool.close()

    drawn = [random.Random(seed).randbytes(200) for seed in range(8)]
    made = [_Packer(Drawn(data), nothing).pack()[8:-20] for data in drawn]
    yield Trial(attempt, [*(b"\0" + data for data in drawn), *(b"\1" + pack for pack in made)], [b"PACK"])


class _Held(Objects):
    """A store with one object, of any content."""

    kind, data = "tree", b""

    def read(self, oid: str) -> tuple[str, bytes]:
        return self.kind, self.data

    def exists(self, oid: str) -> bool:
        return True


@target(StoreDamaged, short=2000)
def trees(folder: Path) -> Iterator[Trial]:
    """Read folders of any bytes."""

    def attempt(data: bytes) -> None:
        for name, entry in parse_tree(data).items():
            assert len(entry.oid) == 40 and os.fsencode(name) is not None and entry.mode >= 0

    right = b"".join(b"%s %s\0%s" % (mode, name, bytes(20)) for mode, name in zip(MODES[:5], FILE_NAMES, strict=False))
    yield Trial(attempt, [right, b"40000 d\0" + bytes(20)], MODES)


@target(StoreDamaged, short=1000)
def commits(folder: Path) -> Iterator[Trial]:
    """Read commits of any bytes, and as the snapshots that they may be."""
    held = _Held(str(folder))
    held.kind = "commit"

    def attempt(data: bytes) -> None:
        held.data = data
        commit = held.commit("1" * 40)
        assert all(isinstance(one, str) for one in (commit.tree, *commit.parents))
        if read_snapshot(held, "1" * 40) is not None:
            assert list(islice(timeline(held, "1" * 40), 2))

    head = b"tree %s\nparent %s\nauthor %s\ncommitter %s\n\nsave\n\n" % (b"1" * 40, b"2" * 40, WHO, WHO)
    trailers = "".join(f"{key}: {'3' * 40}\n" for key in KEYS).encode()
    yield Trial(attempt, [head + trailers, head], [*PEOPLE, *(key.encode() + b": " for key in KEYS), b"\n\n"])


def _read_again(store: Store, tip: str, head: str) -> None:
    """Read what was taken as `status`, `log` and merges do."""
    objects = store.objects
    commit = objects.commit(tip)
    read_snapshot(objects, tip)
    for walk in (timeline, chain):
        list(islice(walk(objects, tip), SHOWN))
    list(islice(merged_tips(objects, tip), SHOWN))
    list(islice(objects.walk(commit.tree), SHOWN))
    objects.some_difference(objects.commit(head).tree, commit.tree, SHOWN)
    store.is_ancestor(head, tip)
    git(Path(store.path), "fsck", "--connectivity-only", "--no-dangling", tip)


@target(HostilePack, GitFailed, short=12)
def arrival(folder: Path) -> Iterator[Trial]:
    """Take drawn packs into a store: what is refused leaves nothing, and what is taken can be read."""
    root = make_repository(folder / "r", {"a.txt": b"one\n" * 50, "dir/b.txt": b"two\n"})
    owner = StoreThread("store")
    store = asyncio.run(owner.run(Store, str(root / ".git"), "fuzz"))
    head = git(root, "rev-parse", "HEAD")
    store.arrive(head)
    named = {"commit": ["HEAD"], "tree": ["HEAD^{tree}", "HEAD:dir"], "blob": ["HEAD:a.txt", "HEAD:dir/b.txt"]}
    known = {kind: [git(root, "rev-parse", one) for one in names] for kind, names in named.items()}

    def take(pack: bytes, tip: str) -> None:
        before, spool = _contents(store), _file_of(pack, folder)
        try:
            asyncio.run(take_pack(store, owner, spool, [tip], [head], LIVE + "bob", Measure(head)))
        except BaseException:
            left = _contents(store) ^ before
            assert not left and store.ref(LIVE + "bob") is None, left
            raise
        finally:
            spool.close()

    def attempt(data: bytes) -> None:
        packer = _Packer(Drawn(data), known)
        pack = packer.pack()
        take(pack, packer.tip)
        try:
            _read_again(store, packer.tip, head)
        finally:
            _forget(store)

    try:
        yield Trial(attempt, [random.Random(seed).randbytes(6 * seed) for seed in range(12)])
    finally:
        asyncio.run(owner.run(store.close))
        owner.close()


def _contents(store: Store) -> set[str]:
    return {os.path.join(at, name) for at, _, names in os.walk(store.folder) for name in names}


def _forget(store: Store) -> None:
    """Let a store be as it was before bob's branch came."""
    store.delete_ref(LIVE + "bob")
    for name in Path(store.objects.folder, "pack").iterdir():
        name.unlink()
    store.objects.refresh()
