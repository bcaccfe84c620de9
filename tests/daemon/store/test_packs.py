"""Packs from outside: taken whole, or nothing of them kept."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import io
import os
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.budgets import MOST_HAVES
from bough_daemon.errors import BoughError, GitFailed, HostilePack
from bough_daemon.git.objects import FILE, FOLDER, LINK, TreeEntry, format_tree
from bough_daemon.store.gathering import MANY_PACKS, gather
from bough_daemon.store.negotiation import haves_of, history_of, known_commits, shallow_of, shared_among
from bough_daemon.store.packs import (
    LARGEST_REMEMBERED,
    MOST_REMEMBERED,
    PacksMade,
    Spool,
    make_pack,
    run_child,
    sweep,
    take_pack,
)
from bough_daemon.store.store import LIVE, SHARED, Store
from bough_daemon.system.threads import StoreThread

from tests.daemon.support import git, make_repository
from tests.daemon.team_support import eventually

FILES = {"a.txt": b"one\n" * 50, "dir/b.txt": b"two\n"}
WHO = "Alice <alice@example.org>"


class PackSide:
    """A clone with its store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.owner = StoreThread("store")
        self.store = asyncio.run(self.owner.run(Store, str(root / ".git"), "test"))
        self.head = git(root, "rev-parse", "HEAD")
        self.store.arrive(self.head)

    def commit(self, entries: dict[str, TreeEntry], parents: list[str] | None = None) -> str:
        """Write a commit of a tree that is exactly `entries`, whatever Git thinks of it."""
        tree = self.store.objects.write("tree", format_tree(entries))
        return self.store.objects.write_commit(tree, [self.head] if parents is None else parents, WHO, 1, "x\n")

    def save(self, files: dict[str, bytes], parent: str | None = None) -> str:
        """Write a commit of `files` on top of `parent`."""
        objects = self.store.objects
        parent = parent or self.head
        changes = {path: TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
        return objects.write_commit(objects.splice(objects.commit(parent).tree, changes), [parent], WHO, 1, "x\n")

    def blob(self) -> TreeEntry:
        """Return the entry of some file."""
        return TreeEntry(FILE, self.store.objects.write_blob(b"#!/bin/sh\ntouch /tmp/owned\n"))

    def make(self, tip: str, haves: list[str], shallow: list[str] | None = None) -> Spool:
        """Return a pack."""
        return asyncio.run(make_pack(self.store, [tip], haves, shallow or []))[0]

    def take(self, spool: Spool, tip: str, ref: str = LIVE + "bob", shared: list[str] | None = None) -> None:
        """Take a pack in; `shared`: what the team shares, HEAD where nothing is said."""
        try:
            shared = [self.head] if shared is None else shared
            asyncio.run(take_pack(self.store, self.owner, spool, [tip], shared, ref))
        finally:
            spool.close()

    def contents(self) -> set[str]:
        """Return every file in Bough's folder."""
        folder = self.store.folder
        return {os.path.join(at, name) for at, folders, names in os.walk(folder) for name in [*names, *folders]}

    def refuses(self, spool: Spool, tip: str) -> str:
        """Check that a pack is refused and nothing of it kept; return the reason."""
        before, refs = self.contents(), git(Path(self.store.path), "for-each-ref")
        with pytest.raises(HostilePack) as refused:
            self.take(spool, tip)
        assert self.contents() == before
        assert git(Path(self.store.path), "for-each-ref") == refs
        assert not self.store.objects.exists(tip)
        return refused.value.message

    def close(self) -> None:
        """Let go of the store."""
        asyncio.run(self.owner.run(self.store.close))
        self.owner.close()


@pytest.fixture
def alice(folder: Path) -> Iterator[PackSide]:
    made = PackSide(make_repository(folder / "alice", FILES))
    yield made
    made.close()


@pytest.fixture
def bob(alice: PackSide, folder: Path) -> Iterator[PackSide]:
    git(folder, "clone", "-q", str(alice.root), "bob")
    made = PackSide(folder / "bob")
    yield made
    made.close()


def spool_of(data: bytes) -> Spool:
    """Return a pack with these bytes."""
    return Spool(io.BytesIO(data))


def file_of(spool: Spool, folder: Path) -> Spool:
    """Return the bytes of a pack cut to what is there, in a file that a child can read."""
    made = Spool.below(str(folder))
    made.append(spool.read(0, spool.size))
    return made


def test_a_snapshot_reaches_the_other_store_whole(alice: PackSide, bob: PackSide) -> None:
    tip = alice.save({"a.txt": b"changed\n", "new/file": b"x"})
    bob.take(alice.make(tip, [alice.head]), tip)
    assert bob.store.ref(LIVE + "bob") == tip
    assert bob.store.objects.read(tip) == alice.store.objects.read(tip)
    git(Path(bob.store.path), "fsck", "--strict", "--connectivity-only", tip)


def test_a_pack_has_no_more_than_what_the_other_lacks(alice: PackSide, bob: PackSide) -> None:
    big = alice.save({"big": os.urandom(500_000)})
    bob.take(alice.make(big, [alice.head]), big)
    tip = alice.save({"a.txt": b"one more line\n" + FILES["a.txt"]}, big)
    spool = alice.make(tip, [big])
    assert spool.size < 1000
    bob.take(spool, tip, shared=[big])


def test_a_save_is_taken_without_the_longer_look(
    alice: PackSide, bob: PackSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(*_: object) -> None:
        raise AssertionError("this takes 60 ms at 100,000 files")

    monkeypatch.setattr("bough_daemon.store.packs._check_whole", look)
    text = b"".join(b"line %d\n" % number for number in range(500))
    first = alice.save({"d/big.txt": text, "d/other.txt": text[:2000]})
    other = alice.save({"d/big.txt": text + b"theirs\n"})
    bob.take(alice.make(first, [alice.head]), first)
    bob.take(alice.make(other, [alice.head]), other, LIVE + "carol")
    second = alice.save({"d/big.txt": b"more\n" + text}, first)
    bob.take(alice.make(second, [first, alice.head]), second, shared=[first, alice.head])
    objects = alice.store.objects
    changed = {"d/big.txt": TreeEntry(FILE, objects.write_blob(b"more\n" + text + b"theirs\n"))}
    merged = objects.splice(objects.commit(second).tree, changed)
    tip = objects.write_commit(merged, [second, other], WHO, 1, "merge\n")
    bob.take(alice.make(tip, [second, other]), tip, shared=[second, other])


def test_of_what_a_peer_names_only_what_is_shared_counts(alice: PackSide) -> None:
    shared = alice.save({"a.txt": b"shared\n"})
    private = alice.save({"a.txt": b"private\n"}, shared)
    named = [shared, private, alice.head, "1" * 40, "HEAD", "--all", alice.blob().oid]
    assert shared_among(alice.store, named, [shared, "2" * 40]) == [shared, alice.head]
    assert shared_among(alice.store, named, []) == []


def test_a_pack_with_nothing_new_moves_the_branch_alone(alice: PackSide, bob: PackSide) -> None:
    bob.take(alice.make(alice.head, [alice.head]), alice.head)
    assert bob.store.ref(LIVE + "bob") == alice.head


def test_what_a_private_branch_alone_has_is_in_no_pack(alice: PackSide) -> None:
    secret = alice.save({".env": b"PASSWORD=hunter2\n" * 9, "a.txt": b"both\n"})
    shared = alice.save({"a.txt": b"both\n"})
    alice.store.set_ref(LIVE + "alice", secret, None)
    alice.store.set_ref(SHARED + "alice", shared, None)
    spool = alice.make(shared, [])
    scratch = alice.root / "scratch"
    git(alice.root, "init", "-q", "--bare", str(scratch))
    git(scratch, "index-pack", "--stdin", "--fix-thin", stdin=spool.read(0, spool.size))
    spool.close()
    objects = git(scratch, "cat-file", "--batch-all-objects", "--batch-check")
    private = alice.store.objects.entry(alice.store.objects.commit(secret).tree, ".env")
    assert private is not None
    assert shared in objects and secret not in objects and private.oid not in objects
    assert secret not in haves_of(alice.store, []) and shared in haves_of(alice.store, [])


HOSTILE_NAMES = [
    ".git",
    ".GIT",
    "..",
    ".",
    "git~1",
    "GIT~1",
    ".git.",
    ".git ",
    ".g\u200cit",
    ".git::$INDEX_ALLOCATION",
    "a/b",
    ".git/hooks/post-checkout",
    "..\\.git\\hooks\\x",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_pack_with_a_path_that_git_refuses_is_refused(alice: PackSide, bob: PackSide, name: str) -> None:
    tip = alice.commit({name: alice.blob()})
    assert "refused" in bob.refuses(alice.make(tip, [alice.head]), tip)


def test_a_pack_with_a_hook_in_a_git_folder_is_refused(alice: PackSide, bob: PackSide) -> None:
    hooks = alice.store.objects.write("tree", format_tree({"x": alice.blob()}))
    git_folder = alice.store.objects.write("tree", format_tree({"hooks": TreeEntry(FOLDER, hooks)}))
    tip = alice.commit({".git": TreeEntry(FOLDER, git_folder)})
    assert "hasDotgit" in bob.refuses(alice.make(tip, [alice.head]), tip)


def test_a_link_and_a_folder_of_one_name_are_refused(alice: PackSide, bob: PackSide) -> None:
    link = TreeEntry(LINK, alice.store.objects.write_blob(b".git/hooks"))
    below = alice.store.objects.write("tree", format_tree({"x": alice.blob()}))
    both = b"120000 d\0" + bytes.fromhex(link.oid) + b"40000 d\0" + bytes.fromhex(below)
    tree = alice.store.objects.write("tree", both)
    tip = alice.store.objects.write_commit(tree, [alice.head], WHO, 1, "x\n")
    assert "duplicateEntries" in bob.refuses(alice.make(tip, [alice.head]), tip)


def test_a_gitmodules_file_that_runs_code_is_refused(alice: PackSide, bob: PackSide) -> None:
    text = b'[submodule "../../x"]\n\tpath = x\n\turl = --upload-pack=touch\n'
    tip = alice.commit({".gitmodules": TreeEntry(FILE, alice.store.objects.write_blob(text))})
    assert "gitmodules" in bob.refuses(alice.make(tip, [alice.head]), tip)


def test_what_is_missing_from_a_pack_is_counted_in_bounded_memory(
    alice: PackSide, bob: PackSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.store.packs.MOST_LACKING", 3)
    private = bob.save({f"{number}.txt": b"%d" % number for number in range(20)})
    with pytest.raises(HostilePack, match="more than 3 objects"):
        bob.take(alice.make(alice.head, [alice.head]), private)
    # All of a pack that needs the longer look is still taken: what it has does not count.
    files = {f"d{number}/{number}.txt": b"%d" % number for number in range(20)}
    tip = alice.save(files)
    monkeypatch.setattr("bough_daemon.store.packs.is_surely_whole", lambda *_: False)
    bob.take(alice.make(tip, [alice.head]), tip)
    assert bob.store.ref(LIVE + "bob") == tip


def test_a_pack_that_lacks_objects_is_refused(alice: PackSide, bob: PackSide) -> None:
    first = alice.save({"a.txt": b"first\n"})
    tip = alice.save({"b.txt": b"second\n"}, first)
    # Bob does not have `first`, and is told nothing of it.
    bob.refuses(alice.make(tip, [first]), tip)


def test_a_pack_without_its_tip_is_refused(alice: PackSide, bob: PackSide) -> None:
    tip = alice.save({"a.txt": b"first\n"})
    bob.refuses(alice.make(alice.head, []), tip)


def test_a_tip_that_is_no_commit_is_refused(alice: PackSide, bob: PackSide) -> None:
    tree = alice.store.objects.commit(alice.save({"a.txt": b"other\n"})).tree
    spool = alice.make(tree, [])
    with pytest.raises(HostilePack, match="not a commit"):
        bob.take(spool, tree)
    assert bob.store.ref(LIVE + "bob") is None and not bob.store.objects.exists(tree)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_pack_is_refused(alice: PackSide, bob: PackSide, share: float, tmp_path: Path) -> None:
    tip = alice.save({"a.txt": os.urandom(2000)})
    with_all = alice.make(tip, [alice.head])
    cut = spool_of(with_all.read(0, int(with_all.size * share)))
    with_all.close()
    bob.refuses(file_of(cut, tmp_path), tip)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a child is bounded on Linux")
def test_a_small_pack_that_inflates_to_more_than_a_child_may_hold_is_refused(
    alice: PackSide, bob: PackSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = alice.save({"bomb": bytes(100 << 20)})
    spool = alice.make(tip, [alice.head])
    assert spool.size < 1 << 20
    monkeypatch.setattr("bough_daemon.system.limited_child.CHILD_MEMORY_BYTES", 64 << 20)
    bob.refuses(spool, tip)


def test_a_damaged_pack_is_refused(alice: PackSide, bob: PackSide, tmp_path: Path) -> None:
    tip = alice.save({"a.txt": os.urandom(2000)})
    spool = alice.make(tip, [alice.head])
    data = bytearray(spool.read(0, spool.size))
    spool.close()
    data[len(data) // 2] ^= 0xFF
    data[-20:] = hashlib.sha1(data[:-20]).digest()
    bob.refuses(file_of(spool_of(bytes(data)), tmp_path), tip)


def test_junk_is_refused(bob: PackSide, tmp_path: Path) -> None:
    bob.refuses(file_of(spool_of(b"PACK" + os.urandom(4000)), tmp_path), "1" * 40)


OLD_FLAWS = {
    "zero-padded modes": (b"0100644 f\0", None),
    "no space before the date": (None, b"Alice <alice@example.org>1 +0000"),
    "no e-mail": (None, b"Alice 1 +0000"),
    "a strange time zone": (None, b"Alice <alice@example.org> 1 +051800"),
}


@pytest.mark.parametrize("flaw", OLD_FLAWS)
def test_harmless_flaws_of_old_history_pass(alice: PackSide, bob: PackSide, flaw: str) -> None:
    mode, who = OLD_FLAWS[flaw]
    tree = alice.store.objects.write("tree", (mode or b"100644 f\0") + bytes.fromhex(alice.blob().oid))
    author = b"author " + (who or b"Alice <alice@example.org> 1 +0000")
    lines = [b"tree " + tree.encode(), b"parent " + alice.head.encode(), author]
    old = alice.store.objects.write("commit", b"\n".join([*lines, author.replace(b"author", b"committer"), b"\nx\n"]))
    bob.take(alice.make(old, [alice.head]), old)
    assert bob.store.ref(LIVE + "bob") == old


def test_a_history_of_a_thousand_commits_is_not_sent_again(folder: Path) -> None:
    root = make_repository(folder / "alice", FILES)
    lines = [b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n" % (at + 1) for at in range(1000)]
    lines[0] += b"from refs/heads/main^0\n"
    changes = [line + b"M 644 inline f\ndata 5\n%05d\n" % at for at, line in enumerate(lines)]
    git(root, "fast-import", "--quiet", "--force", stdin=b"".join(changes))
    git(root, "reset", "-q", "--hard")
    git(folder, "clone", "-q", str(root), "bob")
    # Bob is some commits behind, on a branch of a name that alice does not have, and knows no remote.
    git(folder / "bob", "reset", "-q", "--hard", "HEAD~37")
    git(folder / "bob", "remote", "remove", "origin")
    alice, bob = PackSide(root), PackSide(folder / "bob")
    haves = haves_of(bob.store, [bob.head])
    assert len(haves) <= MOST_HAVES
    tip = alice.save({"a.txt": b"fresh\n"})
    spool = alice.make(tip, known_commits(alice.store, haves))
    assert int.from_bytes(spool.read(8, 4), "big") < 37 * 3 + 10
    bob.take(spool, tip)
    alice.close()
    bob.close()


def test_a_shallow_clone_takes_what_its_border_cuts_off(folder: Path) -> None:
    root = make_repository(folder / "alice", FILES)
    old = git(root, "rev-parse", "HEAD")
    for number in range(5):
        (root / "a.txt").write_text(f"{number}\n")
        git(root, "commit", "-qam", f"{number}")
    git(folder, "clone", "-q", "--depth=2", f"file://{root}", "bob")
    alice, bob = PackSide(root), PackSide(folder / "bob")
    assert shallow_of(bob.store, []) == ()
    borders = shallow_of(bob.store, [bob.head])
    assert borders and set(history_of(bob.store)) & set(history_of(alice.store))
    # A save on a commit from before the border.
    tip = alice.save({"new.txt": b"x"}, old)
    bob.take(alice.make(tip, list(haves_of(bob.store, [bob.head])), list(borders)), tip)
    assert bob.store.ref(LIVE + "bob") == tip
    alice.close()
    bob.close()


def test_a_pack_that_cannot_be_made_says_why(alice: PackSide) -> None:
    with pytest.raises(GitFailed):
        alice.make("1" * 40, [])


def test_only_commits_that_are_here_count_as_known(alice: PackSide) -> None:
    blob = alice.blob().oid
    assert known_commits(alice.store, [alice.head, blob, "1" * 40, "--all", "HEAD"]) == [alice.head]


def test_many_small_packs_become_one_and_nothing_is_lost(alice: PackSide, bob: PackSide) -> None:
    tip, tips = alice.head, []
    for number in range(MANY_PACKS + 1):
        after = alice.save({"a.txt": b"%d\n" % number}, tip)
        bob.take(alice.make(after, [tip]), after, shared=[tip])
        tip = after
        tips.append(tip)
    folder = Path(bob.store.objects.folder) / "pack"
    assert asyncio.run(gather(bob.store, bob.owner))
    assert len(list(folder.glob("*.pack"))) < 3
    for oid in tips:
        assert bob.store.objects.owns(oid)
    git(Path(bob.store.path), "fsck", "--strict", tip)
    assert not asyncio.run(gather(bob.store, bob.owner))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this needs /proc")
def test_packs_that_are_gone_are_not_kept_open(alice: PackSide, bob: PackSide) -> None:
    """Each save of a teammate's comes in a pack of its own: a daemon would run out of descriptors."""

    def removed() -> list[str]:
        here = Path("/proc/self/fd")
        links = (os.readlink(one) for one in here.iterdir() if one.is_symlink())
        return [link for link in links if link.startswith(bob.store.path) and link.endswith("(deleted)")]

    tip = alice.head
    for number in range(MANY_PACKS + 1):
        after = alice.save({"a.txt": b"%d\n" % number}, tip)
        bob.take(alice.make(after, [tip]), after, shared=[tip])
        bob.store.set_ref("refs/heads/other", after, tip if number else None)
        tip = after
    assert asyncio.run(gather(bob.store, bob.owner))
    assert removed() == []
    assert bob.store.ref("refs/heads/other") == tip


def test_what_a_killed_daemon_left_in_quarantine_is_swept_away(bob: PackSide) -> None:
    left = Path(bob.store.folder) / "quarantine-abc"
    (left / "pack").mkdir(parents=True)
    (left / "pack" / "tmp_pack_1").write_bytes(b"half")
    sweep(bob.store)
    assert not left.exists()


def test_a_child_dies_with_the_one_who_waits_for_it(bob: PackSide) -> None:
    async def cut_off() -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as source:
            task = asyncio.create_task(run_child(bob.store.git, "hash-object", "--stdin", stdin=source))
            os.write(writing, b"x")
            await eventually(lambda: fcntl.ioctl(reading, termios.FIONREAD, bytes(4)) == bytes(4))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        with pytest.raises(BrokenPipeError):
            os.write(writing, b"nobody reads this")
        os.close(writing)

    asyncio.run(asyncio.wait_for(cut_off(), 20))


def test_a_full_disk_is_an_error_that_keeps_the_store_as_it_was(
    alice: PackSide, bob: PackSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = alice.save({"a.txt": b"first\n"})
    spool = alice.make(tip, [alice.head])

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises((BoughError, OSError)):
        patch.setattr(os, "rename", full)
        bob.take(spool, tip)
    assert bob.store.ref(LIVE + "bob") is None and not bob.store.objects.exists(tip)


def test_a_file_that_only_moved_is_found_where_it_was(alice: PackSide, bob: PackSide) -> None:
    objects = alice.store.objects
    tree = objects.commit(alice.head).tree
    was = objects.entry(tree, "dir/b.txt")
    moved = objects.splice(tree, {"dir/b.txt": None, "elsewhere/c.txt": was, "a.txt": None})
    tip = objects.write_commit(moved, [alice.head], WHO, 1, "x\n")
    bob.take(alice.make(tip, [alice.head]), tip)
    assert bob.store.ref(LIVE + "bob") == tip


def test_a_pack_for_many_is_made_once() -> None:
    packs, made = PacksMade(), list[int]()

    async def make(size: int) -> tuple[Spool, str] | None:
        made.append(size)
        await asyncio.sleep(0)
        if size == 0:
            return None
        spool = Spool(io.BytesIO(bytes(size - 20) + b"i" * 20))
        return spool, spool.read(size - 20, 20).hex()

    async def ask(what: str, size: int, times: int) -> list[bytes | None]:
        got = await asyncio.gather(*(packs.made(what, lambda: make(size)) for _ in range(times)))
        assert all(one is None or one[1] == (b"i" * 20).hex() for one in got)
        found = [one[0].read(0, size) if one is not None else None for one in got]
        for one in got:
            if one is not None:
                one[0].close()
        return found

    assert set(asyncio.run(ask("a", 100, 50))) == {bytes(80) + b"i" * 20} and made == [100]
    assert asyncio.run(ask("a", 100, 3)) and made == [100]
    # What failed is tried for each; what is large is not kept in memory, and of the rest only the last.
    assert asyncio.run(ask("b", 0, 3)) == [None, None, None] and made == [100, 0, 0, 0]
    assert asyncio.run(ask("c", LARGEST_REMEMBERED + 1, 2)) and made[4:] == [LARGEST_REMEMBERED + 1] * 2
    for number in range(MOST_REMEMBERED):
        asyncio.run(ask(f"d{number}", 30, 1))
    del made[:]
    assert asyncio.run(ask("a", 100, 1)) and made == [100]


def test_all_who_wait_for_one_pack_go_on_in_the_same_turn() -> None:
    packs, turns = PacksMade(), list[int]()

    async def make() -> tuple[Spool, str]:
        await asyncio.sleep(0)
        return Spool(io.BytesIO(bytes(100))), "id"

    async def one(turn: list[int]) -> None:
        made = await packs.made("a save", make)
        assert made is not None
        made[0].close()
        turns.append(turn[0])

    async def test() -> None:
        turn = [0]
        waiting = [asyncio.create_task(one(turn)) for _ in range(200)]
        while not all(task.done() for task in waiting):
            await asyncio.sleep(0)
            turn[0] += 1

    asyncio.run(test())
    assert len(turns) == 200 and max(turns) - min(turns) <= 1
