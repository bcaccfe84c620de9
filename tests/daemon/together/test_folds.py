"""Guests and their host, with states that pass each other on the way."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bough_daemon.commands.merge import merge
from bough_daemon.errors import GitHangs
from bough_daemon.git import atomic_rename
from bough_daemon.git.atomic_rename import DirEntry
from bough_daemon.history.journal import HopKind
from bough_daemon.together import folder
from bough_daemon.together.folder import Other
from bough_daemon.together.stale_saves import REMEMBERED
from bough_daemon.transaction import swap_in

from tests.daemon.moves_support import merge_both
from tests.daemon.support import git
from tests.daemon.together.company_support import LINES, Company, SeatedMember, company

Pair = tuple[Company, SeatedMember, SeatedMember]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Return alice, and bob, who is her guest."""
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        made.deliver(bob, alice)
        bob.hop("alice")
        yield made, alice, bob


def exchange(made: Company, one: SeatedMember, other: SeatedMember) -> None:
    """Let both have the other's tip at once, and fold."""
    made.deliver(one, other)
    made.deliver(other, one)
    one.fold()
    other.fold()


def brings(made: Company, one: SeatedMember, line: bytes, other: SeatedMember) -> None:
    """Let a line that one has added be folded into the other's file."""
    one.add("a.txt", line, 3)
    one.save()
    made.deliver(other, one)
    assert other.fold() and line in text(other)


def text_before_a_fold(made: Company, alice: SeatedMember, bob: SeatedMember) -> bytes:
    """Let bob's line be folded into alice's file, and return what an editor may have read before."""
    exchange(made, alice, bob)
    old = (alice.root / "a.txt").read_bytes()
    brings(made, bob, b"bob", alice)
    return old


def text(member: SeatedMember) -> list[bytes]:
    return (member.root / "a.txt").read_bytes().splitlines()


@pytest.mark.parametrize("hosting", [True, False])
@pytest.mark.parametrize("repaired", [False, True])
def test_a_save_from_before_a_fold_gets_its_lines_after_a_start_too(pair: Pair, hosting: bool, repaired: bool) -> None:
    made, *both = pair
    one, other = both if hosting else reversed(both)
    exchange(made, *both)
    old = (one.root / "a.txt").read_bytes()
    brings(made, other, b"first", one)
    if repaired:
        one.write("a.txt", old + b"typed before\n")
        one.save()
        assert one.folder.repair() is not None
    old = (one.root / "a.txt").read_bytes()
    brings(made, other, b"second", one)
    one.write("a.txt", old + b"typed\n")  # by an editor that had read the file before the fold
    one.start()
    assert b"second" not in text(one)
    assert one.folder.repair() is not None
    assert Counter(text(one)) >= Counter([b"first", b"second", b"typed", *LINES.splitlines()])
    assert len(text(one)) == len(LINES.splitlines()) + 3 + repaired
    exchange(made, one, other)
    exchange(made, one, other)
    assert text(one) == text(other)


def test_a_repair_of_one_file_before_a_start_leaves_the_folds_of_the_others_known(pair: Pair) -> None:
    made, alice, bob = pair
    exchange(made, alice, bob)
    old = {path: (alice.root / path).read_bytes() for path in ("a.txt", "b.txt")}
    bob.add("b.txt", b"bob", 3)
    brings(made, bob, b"bob", alice)
    alice.write("a.txt", old["a.txt"] + b"alice\n")
    alice.save()
    assert alice.folder.repair() is not None
    alice.write("b.txt", old["b.txt"] + b"alice\n")
    alice.start()
    assert alice.folder.repair() is not None
    assert all({b"alice", b"bob"} <= set((alice.root / path).read_bytes().splitlines()) for path in old)


@pytest.mark.parametrize("failures", [1, 3, 4])
def test_folds_that_cannot_be_read_at_first_are_read_again_a_few_times(
    pair: Pair, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, alice, bob = pair
    old = text_before_a_fold(made, alice, bob)
    alice.write("a.txt", old + b"alice\n")
    alice.start()
    real, left = alice.unconverted, failures

    def fails(contents: Mapping[str, object]) -> frozenset[str]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise GitHangs("git check-attr did nothing", output="", running="")
        return real(contents)

    monkeypatch.setattr(alice, "unconverted", fails)
    for _ in range(min(failures, folder.MOST_ATTEMPTS)):
        with pytest.raises(GitHangs):
            alice.folder.repair()
        assert not alice.folder.has_all
    repaired = alice.folder.repair()
    assert (repaired is not None) == (b"bob" in text(alice)) == (failures < folder.MOST_ATTEMPTS)


@pytest.mark.parametrize("meant", ["restore", "add", "late"])
def test_what_is_meant_to_take_a_fold_away_does_so_after_a_start_too(
    pair: Pair, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, alice, bob = pair
    old = text_before_a_fold(made, alice, bob)
    if meant == "add":
        later = time.time() + 10
        os.utime(Path(alice.worktree.git_dir, "index"), (later, later))  # Git has written it since
    alice.write("a.txt", old if meant == "restore" else old + b"typed\n")
    if meant == "late":
        now = time.time() + REMEMBERED
        monkeypatch.setattr(time, "time", lambda: now)
    alice.start()
    assert alice.folder.repair() is None and b"bob" not in text(alice)


@pytest.mark.parametrize("hosting", [True, False])
def test_what_changes_very_many_files_waits_for_a_command(
    pair: Pair, hosting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, *both = pair
    monkeypatch.setattr(folder, "MOST_FOLDED", 3)
    one, other = both if hosting else reversed(both)
    before = one.files()
    for number in range(4):
        other.write(f"new{number}", b"x")
    other.save()
    made.deliver(one, other)
    attempt = one.folder.fold(Other(other.name, other.tip, "guest" if hosting else "host"), {other.name})
    assert "more than 3 files" in attempt.held and f"`bough {'merge bob' if hosting else 'hop alice'}`" in attempt.held
    assert one.files() == before
    (other.root / "new3").unlink()
    other.save()
    made.settle()
    assert one.files() == other.files() != before


@pytest.mark.parametrize("kind", ["together", "follow"])
def test_very_many_files_of_ones_own_hold_no_fold(
    tmp_path: Path, kind: HopKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MOST_FOLDED", 3)
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        made.deliver(bob, alice)
        bob.hop("alice", kind)
        for member in (alice, bob):
            for number in range(4):
                member.write(f"{member.name}{number}.key", b"it stays here")
            member.save()
        alice.add("a.txt", b"theirs", 3)
        made.settle()
        assert text(alice) == text(bob) and b"theirs" in text(bob)
        assert "bob0.key" not in alice.files() and "alice0.key" not in bob.files()


def test_folds_go_on_once_a_command_has_brought_very_many_files(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    made, alice, bob = pair
    monkeypatch.setattr(folder, "MOST_FOLDED", 3)
    for number in range(4):
        bob.write(f"new{number}", b"x")
        alice.write(f"alice{number}.key", b"it stays here")
    made.settle()
    assert "new0" not in alice.files()
    alice.type(merge(alice.live, alice.terminal, "bob", merge_both))
    bob.add("a.txt", b"theirs", 3)
    made.settle()
    assert b"theirs" in text(alice) and "new0" in alice.files()


def test_states_that_always_pass_each_other_neither_double_nor_lose_a_line(pair: Pair) -> None:
    made, alice, bob = pair
    wanted = Counter(LINES.splitlines())
    for number in range(6):
        for member, at in ((alice, 3), (bob, 3 + number % 2)):
            line = b"%s %d" % (member.name.encode(), number)
            member.add("a.txt", line, at)
            wanted[line] += 1
            member.save()
        exchange(made, alice, bob)
    made.settle()
    assert Counter(text(alice)) == wanted
    assert alice.files() == bob.files()


def test_what_one_deletes_is_gone_for_both_and_what_both_write_stays(pair: Pair) -> None:
    made, alice, bob = pair
    (bob.root / "b.txt").unlink()
    alice.write("new.txt", b"new\n")
    (alice.root / "d/c.txt").write_bytes(b"c\nand more\n")
    made.settle()
    assert alice.files() == bob.files()
    assert alice.files().keys() == {"a.txt", "d/c.txt", "new.txt"}


def test_an_ignored_file_in_the_way_stays_and_the_path_is_named(pair: Pair) -> None:
    made, alice, bob = pair
    (alice.root / "local.txt").write_bytes(b"mine alone\n")
    alice.hidden = frozenset({"local.txt"})
    bob.write("local.txt", b"his\n")
    made.settle()
    assert (alice.root / "local.txt").read_bytes() == b"mine alone\n"
    assert alice.paused() == {"local.txt"}
    assert alice.folder.reasons["bob"] == {"local.txt": "an ignored file is in its place"}
    bob.add("a.txt", b"and on", 0)
    made.settle()
    assert text(alice)[0] == b"and on"


def test_a_paused_file_is_not_claimed_and_is_left_to_a_merge(pair: Pair) -> None:
    made, alice, bob = pair
    for member in (alice, bob):
        member.write("a.txt", LINES.replace(b"line 7\n", b"line 7 of %s\n" % member.name.encode()))
        member.add("b.txt", member.name.encode(), 2)
    made.settle()
    assert alice.paused() == {"a.txt"} == bob.paused()
    assert (alice.root / "b.txt").read_bytes() == (bob.root / "b.txt").read_bytes()
    assert alice.branch.tip is not None and bob.branch.tip is not None
    assert not made.store.is_ancestor(bob.tip, alice.branch.tip.oid)
    assert not made.store.is_ancestor(alice.tip, bob.branch.tip.oid)
    bob.write("a.txt", (alice.root / "a.txt").read_bytes())
    made.settle()
    assert alice.paused() == set() == bob.paused()
    assert alice.files() == bob.files()


def test_an_undo_of_the_host_reaches_the_guests_and_is_not_undone_by_them(pair: Pair) -> None:
    made, alice, bob = pair
    bob.add("a.txt", b"bob", 2)
    made.settle()
    before = alice.files()
    alice.restore_from_first("b.txt", b"one of before\n")
    bob.add("a.txt", b"bob again", 2)
    made.settle()
    assert bob.files()["b.txt"] == b"one of before\n"
    alice.undo()
    made.settle()
    assert alice.files() == bob.files()
    assert alice.files()["b.txt"] == before["b.txt"]
    assert b"bob again" in text(alice)


def test_undoing_a_hop_after_folds_is_exact(pair: Pair) -> None:
    made, alice, bob = pair
    alice.add("a.txt", b"alice", 2)
    bob.add("b.txt", b"bob", 2)
    made.settle()
    bob.undo()
    assert bob.files()["a.txt"] == LINES == bob.files()["b.txt"]
    made.settle()
    assert b"alice" in text(alice) and b"bob\n" in alice.files()["b.txt"]
    assert git(bob.root, "status", "--porcelain") == ""


def test_a_fold_that_was_due_before_the_guest_came_back_changes_nothing(pair: Pair) -> None:
    made, alice, bob = pair
    alice.add("a.txt", b"alice", 2)
    alice.save()
    made.deliver(bob, alice)
    bob.back()
    assert bob.folder.fold(Other("alice", bob.known["alice"], "host"), {"alice"}).made is None
    assert git(bob.root, "status", "--porcelain") == ""
    made.deliver(bob, alice)
    bob.hop("alice", "follow")
    alice.add("a.txt", b"alice again", 2)
    alice.save()
    made.deliver(bob, alice)
    bob.back()
    assert bob.folder.fold(Other("alice", bob.known["alice"], "followed"), {"alice"}).made is None
    assert git(bob.root, "status", "--porcelain") == ""


def test_the_second_visit_does_not_remove_what_the_first_one_left(pair: Pair) -> None:
    made, alice, bob = pair
    bob.add("a.txt", b"of the first visit", 2)
    bob.save()
    made.deliver(alice, bob)
    bob.back()
    bob.hop("alice")
    alice.fold()
    made.settle()
    assert b"of the first visit" in text(alice)
    assert alice.files() == bob.files()


def test_two_who_are_each_others_guests_and_a_guest_of_a_guest_agree(tmp_path: Path) -> None:
    with company(tmp_path, "alice", "bob", "carol") as made:
        alice, bob, carol = made.members.values()
        for guest, host in ((bob, alice), (carol, bob), (alice, bob)):
            made.deliver(guest, host)
            guest.hop(host.name)
        for number, member in enumerate((alice, bob, carol)):
            member.add("a.txt", member.name.encode(), 3 * number)
        made.settle()
        assert alice.files() == bob.files() == carol.files()
        assert {b"alice", b"bob", b"carol"} <= set(text(alice))


@pytest.mark.parametrize("renamer", ["alice", "bob"])
def test_what_one_edits_in_a_file_that_the_other_renames_comes_into_the_renamed_one(pair: Pair, renamer: str) -> None:
    made, alice, bob = pair
    mover, editor = (alice, bob) if renamer == "alice" else (bob, alice)
    (mover.root / "a.txt").rename(mover.root / "z.txt")
    mover.add("z.txt", b"moved", 9)
    mover.save()
    editor.add("a.txt", b"edited", 3)
    editor.save()
    exchange(made, alice, bob)
    made.settle()
    assert alice.files() == bob.files() and not alice.paused() and not bob.paused()
    assert "a.txt" not in alice.files()
    wanted = Counter([*LINES.splitlines(), b"moved", b"edited"])
    assert Counter(alice.files()["z.txt"].splitlines()) == wanted


def test_a_renamed_file_in_dispute_is_paused_under_its_old_name(pair: Pair) -> None:
    made, alice, bob = pair
    (alice.root / "a.txt").rename(alice.root / "z.txt")
    alice.write("z.txt", LINES.replace(b"line 5\n", b"line 5 of alice\n"))
    alice.save()
    bob.write("a.txt", LINES.replace(b"line 5\n", b"line 5 of bob\n"))
    bob.save()
    made.settle()
    assert alice.paused() == bob.paused() == {"a.txt"}
    assert b"line 5 of bob" in text(bob) and "a.txt" not in alice.files()
    assert alice.files()["z.txt"] == bob.files()["z.txt"]


def test_a_renamed_file_whose_new_name_is_ignored_here_keeps_its_old_one(pair: Pair) -> None:
    made, alice, bob = pair
    (bob.root / "z.txt").write_bytes(b"something that is not recorded\n")
    bob.hidden = frozenset({"z.txt"})
    (alice.root / "a.txt").rename(alice.root / "z.txt")
    alice.save()
    bob.add("a.txt", b"edited", 3)
    bob.save()
    made.deliver(bob, alice)
    bob.fold()
    assert b"edited" in text(bob) and bob.files()["z.txt"] == b"something that is not recorded\n"
    assert bob.paused() == {"a.txt", "z.txt"}


def test_a_file_that_was_just_saved_does_not_come_and_go(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fold brings is not to be seen for a moment: a save that is made from it lacks the one before."""
    made, alice, bob = pair
    bob.add("a.txt", b"bob", 3)
    bob.save()
    made.deliver(alice, bob)
    alice.add("a.txt", b"alice", 8)
    swapped = list[str]()

    def noted(one: DirEntry, other: DirEntry) -> None:
        swapped.append(other.name)
        atomic_rename.exchange(one, other)

    monkeypatch.setattr(swap_in, "exchange", noted)
    assert alice.folder.fold(Other("bob", bob.tip, "guest"), {"bob"}).disturbed
    assert not swapped
    alice.save()
    assert alice.fold() and swapped == ["a.txt"]
    assert {b"alice", b"bob"} <= set(text(alice))


def test_a_save_from_before_two_folds_of_which_one_undid_a_part_of_the_other_lacks_neither(pair: Pair) -> None:
    made, alice, bob = pair
    read = (alice.root / "a.txt").read_bytes()
    for content in (LINES.replace(b"line 5\n", b"bob 1\n"), LINES.replace(b"line 5\n", b"bob 1\nline 5\nbob 2\n")):
        bob.write("a.txt", content)
        bob.save()
        made.deliver(alice, bob)
        assert alice.fold()
    alice.write("a.txt", read + b"alice\n")
    alice.save()
    made.settle()
    assert Counter(text(alice)) == Counter([*LINES.splitlines(), b"bob 1", b"bob 2", b"alice"])
    assert alice.files() == bob.files() and not alice.paused()


def test_a_save_that_lacks_a_fold_is_repaired_however_late_it_is_looked_at(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, alice, bob = pair
    read = (alice.root / "a.txt").read_bytes()
    bob.add("a.txt", b"bob", 3)
    bob.save()
    made.deliver(alice, bob)
    assert alice.fold()
    for number in range(5):
        read += b"alice %d\n" % number
        alice.write("a.txt", read)
        alice.save()
    lstat = os.lstat

    def late(path: Any, **named: Any) -> Any:
        """Say that the file was saved last long after the first save."""
        found = lstat(path, **named)
        return SimpleNamespace(st_ctime=found.st_ctime + 100) if path == str(alice.root / "a.txt") else found

    monkeypatch.setattr(os, "lstat", late)
    made.settle()
    assert b"bob" in text(alice) and text(alice) == text(bob)
    assert [line for line in text(alice) if line.startswith(b"alice")] == [b"alice %d" % number for number in range(5)]


def fold_in_a_line(made: Company, guest: SeatedMember, host: SeatedMember, line: bytes) -> None:
    """Let the guest replace a line, and add one to another file, and fold both into the host's files."""
    guest.write("a.txt", LINES.replace(b"line 5\n", line))
    guest.add("b.txt", b"more", 2)
    guest.save()
    made.deliver(host, guest)
    assert host.fold() and line.strip() in text(host)


@pytest.mark.parametrize("names", [("alice", "bob"), ("bob", "alice")])
def test_a_save_that_replaces_a_line_that_was_just_folded_in_pauses_the_file(
    pair: Pair, names: tuple[str, str]
) -> None:
    made = pair[0]
    one, other = (made.members[name] for name in names)
    read = (one.root / "a.txt").read_bytes()
    fold_in_a_line(made, other, one, b"another fifth\n")
    one.write("a.txt", read.replace(b"line 5\n", b"line five\n"))
    one.save()
    one.fold()  # as before it is shared
    made.settle()
    assert one.paused() == {"a.txt"} == other.paused()
    assert b"line five" in text(one) and b"another fifth" in text(other)
    assert (one.root / "b.txt").read_bytes() == (other.root / "b.txt").read_bytes() != LINES
    other.add("b.txt", b"goes on", 4)
    made.settle()
    assert b"goes on\n" in (one.root / "b.txt").read_bytes() and one.paused() == {"a.txt"} == other.paused()
    one.write("a.txt", (other.root / "a.txt").read_bytes())
    made.settle()
    assert one.paused() == set() == other.paused() and one.files() == other.files()


def test_a_line_that_is_formatted_at_once_is_not_disputed(pair: Pair) -> None:
    made, alice, bob = pair
    fold_in_a_line(made, bob, alice, b"line = [5,6]\n")
    alice.write("a.txt", (alice.root / "a.txt").read_bytes().replace(b"line = [5,6]", b"line = [5, 6]"))
    alice.save()
    alice.fold()
    made.settle()
    assert not alice.paused() and b"line = [5, 6]" in text(bob) and alice.files() == bob.files()


def test_a_line_that_its_author_saved_once_before_may_be_replaced(pair: Pair) -> None:
    made, alice, bob = pair
    fold_in_a_line(made, bob, alice, b"fifth\n")
    alice.add("a.txt", b"has read it", 9)
    alice.save()
    alice.fold()
    alice.write("a.txt", (alice.root / "a.txt").read_bytes().replace(b"fifth\n", b"line 5, after all\n"))
    alice.save()
    alice.fold()
    made.settle()
    assert not alice.paused() and b"line 5, after all" in text(bob) and alice.files() == bob.files()
