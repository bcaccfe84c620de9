"""What a teammate sent is held against the budgets, and what is over them is not kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bough_daemon.budgets import LARGEST_FILE_BYTES, Effort, OutOfEffort
from bough_daemon.errors import HostilePack
from bough_daemon.git.objects import FILE, LATEST, TreeEntry
from bough_daemon.history.timeline import LONGEST_LINE, read_snapshot
from bough_daemon.store import arrival, packs
from bough_daemon.store.arrival import Weight, check_pack
from bough_daemon.store.packs import Measure, Spool, make_pack, take_pack
from bough_daemon.store.store import LIVE

from tests.attack import bombs
from tests.attack.bombs import Bomb
from tests.daemon.store.test_packs import PackSide
from tests.daemon.support import make_repository

FILES = {"a.txt": b"one\n" * 50, "dir/b.txt": b"two\n"}

BOMBS: dict[str, tuple[Callable[[str, TreeEntry], Bomb], str]] = {
    "paths to a file that is here": (lambda head, known: bombs.many_paths(head, known), "more paths than yours"),
    "paths to nothing": (lambda head, _: bombs.many_paths(head, None), "more paths than yours"),
    "more paths than atoms": (lambda head, known: bombs.many_paths(head, known, 90), "more paths than yours"),
    "bytes": (lambda head, _: bombs.many_bytes(head), "GiB more than yours"),
    "depth": (lambda head, _: bombs.deep(head, 1000), "levels deep"),
    "more depth": (lambda head, _: bombs.deep(head, 5000), "levels deep"),
    "a wide folder": (lambda head, _: bombs.wide(head, 250_000), "a folder with 250,000 entries"),
    "a long name": (lambda head, _: bombs.long_name(head, 256), "a name of 256 bytes"),
    "a long path": (lambda head, _: bombs.long_name(head, 90, 10), "a path of 1000 bytes"),
    "a large file": (lambda head, _: bombs.large_file(head, LARGEST_FILE_BYTES + 1), "a file of 100 MiB"),
    "a large commit": (lambda head, _: bombs.large_message(head, 2 << 20), "a commit of 2 MiB"),
}


@pytest.fixture
def bob(folder: Path) -> Iterator[PackSide]:
    made = PackSide(make_repository(folder / "bob", FILES))
    yield made
    made.close()


def spool_of(data: bytes, folder: Path) -> Spool:
    """Return a pack with these bytes."""
    made = Spool.below(str(folder))
    made.append(data)
    return made


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_over_a_budget_is_refused_soon_and_nothing_of_it_is_kept(
    bob: PackSide, name: str, tmp_path: Path
) -> None:
    make, reason = BOMBS[name]
    known = bob.store.objects.entry(bob.store.objects.commit(bob.head).tree, "a.txt")
    assert known is not None
    bomb = make(bob.head, known)
    spool = spool_of(bomb.pack(), tmp_path)
    began = time.monotonic()
    assert reason in bob.refuses(spool, bomb.tip)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("number", "size", "words"), [(2, 70 << 20, "a folder's list"), (1, 500 << 20, "a commit")])
def test_an_object_that_says_to_be_too_large_is_not_even_unpacked(
    number: int, size: int, words: str, tmp_path: Path
) -> None:
    spool = spool_of(bombs.pack_of([(number, size, b"whatever follows")]), tmp_path)
    with pytest.raises(HostilePack, match=f"{words} of {size >> 20} MiB"):
        check_pack(spool.file, spool.size, Effort())
    spool.close()


def test_a_difference_that_makes_a_large_file_is_refused_before_it_is_made(tmp_path: Path) -> None:
    spool = spool_of(bombs.large_difference(1536 << 20), tmp_path)
    with pytest.raises(HostilePack, match="a file of 1536 MiB"):
        check_pack(spool.file, spool.size, Effort())
    spool.close()


def test_many_differences_that_unpack_to_too_much_in_all_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "UNPACKED_BYTES", 1 << 20)
    spool = spool_of(bombs.large_difference(2 << 20), tmp_path)
    with pytest.raises(HostilePack, match="unpack to more than"):
        check_pack(spool.file, spool.size, Effort())
    spool.close()


def test_what_is_within_the_budgets_is_taken(bob: PackSide, tmp_path: Path) -> None:
    bomb = bombs.deep(bob.head, 99)
    bob.take(spool_of(bomb.pack(), tmp_path), bomb.tip)
    bomb = bombs.wide(bob.head, 40_000)  # looked at by a process of its own
    bob.take(spool_of(bomb.pack(), tmp_path), bomb.tip)
    assert bob.store.ref(LIVE + "bob") == bomb.tip


def test_a_tree_is_weighed_against_what_the_member_has_in_the_same_place(bob: PackSide, tmp_path: Path) -> None:
    mine = bombs.wide(bob.head, 10_000)
    bob.take(spool_of(mine.pack(), tmp_path), mine.tip)
    objects = bob.store.objects
    tree = objects.splice(objects.commit(mine.tip).tree, {"d/new": TreeEntry(FILE, objects.write_blob(b"new"))})
    tip = objects.write_commit(tree, [mine.tip], "A <a@b>", 1, "x\n")
    spool, _ = asyncio.run(make_pack(bob.store, [tip], [mine.tip]))
    measure = Measure(mine.tip)
    asyncio.run(take_pack(bob.store, bob.owner, spool, [tip], [mine.tip], LIVE + "bob", measure))
    spool.close()
    found = [weight for (old, _), weight in measure.weights.items() if old is not None]
    assert {weight.entries for weight in found} == {2, 3}


def test_a_look_ends_when_its_effort_is_spent(bob: PackSide, tmp_path: Path) -> None:
    spool = spool_of(bombs.wide(bob.head, 1000).pack(), tmp_path)
    with pytest.raises(OutOfEffort):
        check_pack(spool.file, spool.size, Effort(2))
    check_pack(spool.file, spool.size, Effort(20))
    spool.close()


def test_a_look_that_takes_too_long_is_ended_and_refused(
    bob: PackSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "QUICK_EFFORT", 0)
    monkeypatch.setattr(packs, "child_seconds", lambda size: 0.001)
    bomb = bombs.deep(bob.head, 1)
    assert "took longer" in bob.refuses(spool_of(bomb.pack(), tmp_path), bomb.tip)


def test_an_entry_that_is_no_folder_is_refused(bob: PackSide, tmp_path: Path) -> None:
    bomb = Bomb([])
    bomb.commit({"d": TreeEntry(0o040000, bomb.file(b"not a tree").oid)}, bob.head)
    assert "is a blob" in bob.refuses(spool_of(bomb.pack(), tmp_path), bomb.tip)


def test_weights_add_up_in_a_folder() -> None:
    assert Weight(1, 5, 2, 9) + Weight(2, 6, 1, 10) == Weight(3, 11, 2, 10)


def test_of_a_long_title_the_beginning_is_told(bob: PackSide, tmp_path: Path) -> None:
    long = b"x" * 500_000
    message = long + b"\n\nBough-Base: " + bob.head.encode() + b"\nBough-Event: " + long + b"\n"
    bomb = Bomb([]).commit({}, bob.head, message)
    bob.take(spool_of(bomb.pack(), tmp_path), bomb.tip)
    snapshot = read_snapshot(bob.store.objects, bomb.tip)
    assert snapshot is not None and len(snapshot.title) == len(snapshot.event) == LONGEST_LINE


@pytest.mark.parametrize(
    ("date", "seconds"), [(b"9" * 30, LATEST), (b"99999999999", 99_999_999_999), (b"-5", 0), (b"soon", 0), (b"", 0)]
)
def test_a_date_that_no_calendar_has_is_taken_as_one_that_it_has(
    bob: PackSide, date: bytes, seconds: int, tmp_path: Path
) -> None:
    bomb = Bomb([]).commit({}, bob.head, date=date)
    bob.take(spool_of(bomb.pack(), tmp_path), bomb.tip)
    assert bob.store.objects.commit(bomb.tip).time == seconds
