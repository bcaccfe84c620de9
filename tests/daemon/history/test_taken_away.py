"""A merge takes away only what somebody took away; what was committed and then undone, nobody did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.commands.hop import hop
from bough_daemon.commands.undo import redo, undo
from bough_daemon.history.line_counts import lines_in
from bough_daemon.history.merge_base import without_lines

from tests.daemon.crew import Mate, found_crew, words_of
from tests.daemon.moves_support import merge_both


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[dict[str, Mate]]:
    """Alice has merged bob's lines and committed, and bob, and carol through him, have that; then she undid it."""
    made = found_crew(tmp_path, ("alice", "bob", "carol"))
    alice, bob, carol = made.values()
    bob.edit("a.txt", 3, insert=True)
    bob.edit("new.txt", 0, insert=True)
    alice.edit("b.txt", 3, insert=True)
    bob.snapshot()
    alice.merge("bob")
    alice.git("add", "-A")
    assert alice.git("commit", "-qam", "merged")
    alice.edit("b.txt", 9, insert=True)
    alice.snapshot()
    bob.merge("alice")
    carol.merge("bob")
    alice.edit("e.txt", 5, insert=True)
    alice.snapshot()  # which nobody gets: the chain does not lead to it
    alice.do(undo(alice.live))
    assert not has_bobs_lines(alice)
    alice.edit("e.txt", 0, insert=True)
    alice.snapshot()
    yield made
    for mate in made.values():
        mate.close()


def has_bobs_lines(mate: Mate) -> bool:
    files = mate.files()
    return b"bob1" in files["a.txt"] and b"bob2" in files.get("new.txt", b"")


def test_who_merges_it_keeps_their_lines_and_gets_what_is_new(crew: dict[str, Mate]) -> None:
    _alice, bob, carol = crew.values()
    for mate in (bob, carol):
        assert mate.merge("alice").result == "clean"
        assert has_bobs_lines(mate)
        assert b"alice4" in mate.files()["e.txt"] and b"alice2" in mate.files()["b.txt"]
        assert mate.merge("alice").result == "same"


def test_who_merges_it_through_another_keeps_their_lines(crew: dict[str, Mate]) -> None:
    _alice, bob, carol = crew.values()
    bob.merge("alice")
    carol.merge("bob")
    assert has_bobs_lines(carol) and b"alice4" in carol.files()["e.txt"]


def test_merging_again_brings_the_lines_again(crew: dict[str, Mate]) -> None:
    alice = crew["alice"]
    assert alice.merge("bob").result == "clean"
    assert has_bobs_lines(alice) and b"alice4" in alice.files()["e.txt"]


def test_redo_brings_the_lines_again(crew: dict[str, Mate]) -> None:
    alice, bob, _carol = crew.values()
    alice.do(redo(alice.live))
    assert has_bobs_lines(alice)
    assert bob.merge("alice").result == "clean"
    assert has_bobs_lines(bob)


def test_a_commit_of_the_files_without_the_lines_removes_nothing_of_others(crew: dict[str, Mate]) -> None:
    alice, bob, _carol = crew.values()
    alice.git("add", "-A")
    assert alice.git("commit", "-qam", "mine alone")
    alice.snapshot()
    assert bob.merge("alice").result == "clean"
    assert has_bobs_lines(bob) and b"alice4" in bob.files()["e.txt"]


def test_what_both_heads_have_goes_as_the_files_say(crew: dict[str, Mate]) -> None:
    alice, bob, _carol = crew.values()
    assert alice.git("push", "-q", "origin", "HEAD:main")
    landed = alice.land().commit
    assert b"bob1" not in alice.at_tree(alice.store.objects.commit(landed).tree)["a.txt"]
    assert has_bobs_lines(bob)


def test_what_its_author_deletes_by_hand_after_the_undo_is_deleted(crew: dict[str, Mate]) -> None:
    alice, bob, _carol = crew.values()
    (alice.root / "d/c.txt").unlink()
    alice.snapshot()
    bob.merge("alice")
    assert has_bobs_lines(bob) and "d/c.txt" not in bob.files()


def test_who_kept_their_file_at_the_merge_of_a_deletion_keeps_it_at_the_next_one(tmp_path: Path) -> None:
    made = found_crew(tmp_path, ("alice", "bob"))
    alice, bob = made.values()
    alice.remove("d/c.txt")
    alice.snapshot()
    bob.edit("d/c.txt", 3, insert=True)
    bob.snapshot()
    assert alice.merge("bob").result == "conflict"
    assert alice.git("commit", "-qam", "merged")
    alice.snapshot()
    bob.merge("alice")
    alice.do(undo(alice.live))
    alice.snapshot()
    assert "d/c.txt" not in alice.files()
    for _ in range(2):
        assert bob.merge("alice").result == "same"
        assert b"bob1" in bob.files()["d/c.txt"]
    for mate in made.values():
        mate.close()


def test_an_undo_that_a_merge_base_contains_is_not_weighed_again(tmp_path: Path) -> None:
    made = found_crew(tmp_path, ("alice", "bob", "carol"))
    alice, bob, carol = made.values()
    bob.edit("e.txt", 3, insert=True)
    bob.snapshot()
    carol.merge("bob")
    assert carol.git("commit", "-qam", "merged")
    carol.snapshot()
    bob.merge("carol")
    carol.do(undo(carol.live))
    carol.snapshot()
    bob.merge("carol")
    carol.merge("bob")
    carol.snapshot()
    alice.merge("carol")
    alice.edit("b.txt", 9, insert=True)
    alice.snapshot()
    assert bob.git("reset", "-q", "--hard")  # and so gives up their line, which the others keep
    bob.snapshot()
    bob.merge("alice")
    before = bob.files()
    assert bob.merge("alice").result == "same"
    assert bob.files() == before
    for mate in made.values():
        mate.close()


def found(folder: Path, *names: str) -> Iterator[Mate]:
    """Yield a member of each name, who all have the same remote."""
    made = found_crew(folder, names)
    yield from made.values()
    for mate in made.values():
        mate.close()


def test_who_gives_up_what_a_hop_brought_takes_it_from_nobody(tmp_path: Path) -> None:
    mates = found(tmp_path, "alice", "bob", "carol")
    alice, bob, carol = next(mates), next(mates), next(mates)
    bob.edit("new.txt", 0, insert=True)
    bob.snapshot()
    alice.merge("bob")
    bob.merge("alice")
    alice.do(undo(alice.live))
    bob.merge("alice")
    alice.merge("bob")
    carol.do(hop(carol.live, carol.terminal, "alice", merge_both))
    alice.edit("d/new.txt", 0, insert=True)
    alice.snapshot()
    carol.merge("alice")
    assert carol.git("stash", "-qu")
    carol.snapshot()
    alice.merge("carol")
    carol.do(undo(carol.live))
    alice.merge("carol")
    assert words_of(alice.files()["new.txt"]) == [b"bob1"]
    assert list(mates) == []


def test_an_edit_after_a_landing_that_was_undone_removes_nothing_of_it(tmp_path: Path) -> None:
    mates = found(tmp_path, "alice", "bob")
    alice, bob = next(mates), next(mates)
    bob.edit("b.txt", 3, insert=True)
    bob.snapshot()
    alice.merge("bob")
    assert alice.git("stash", "-qu")
    alice.snapshot()
    bob.merge("alice")
    alice.do(undo(alice.live))
    bob.merge("alice")
    alice.merge("bob")
    bob.land()
    bob.edit("b.txt", 4, insert=False)
    bob.do(undo(bob.live))
    landed = bob.land()
    assert b"bob1" in words_of(bob.at_tree(bob.store.objects.commit(landed.commit).tree)["b.txt"])
    assert list(mates) == []


def test_an_edit_right_after_git_threw_edits_away_removes_nothing_that_landed(tmp_path: Path) -> None:
    mates = found(tmp_path, "alice")
    alice = next(mates)
    assert alice.git("switch", "-q", "old")
    alice.edit("a.txt", 3, insert=True)
    alice.snapshot()
    alice.land()
    assert alice.git("switch", "-qf", "old")
    alice.edit("a.txt", 9, insert=True)
    alice.snapshot()
    landed = alice.land()
    text = words_of(alice.at_tree(alice.store.objects.commit(landed.commit).tree)["a.txt"])
    assert b"alice1" in text and b"alice2" in text
    assert list(mates) == []


@pytest.mark.parametrize("by", ["save", "commit", "merge of another"])
def test_what_somebody_took_out_by_hand_goes_also_after_an_undo(crew: dict[str, Mate], by: str) -> None:
    alice, bob, carol = crew.values()
    alice.merge("bob")
    mate = carol if by == "merge of another" else alice
    file = mate.root / "a.txt"
    file.write_bytes(file.read_bytes().replace(b"bob1\n", mate.word() + b"\n"))
    if by == "commit":
        alice.snapshot()
        assert alice.git("commit", "-qam", "without it")
    mate.snapshot()
    if mate is carol:
        alice.merge("carol")
    bob.merge("alice")
    assert b"bob1" not in words_of(bob.files()["a.txt"]) and b"bob2" in words_of(bob.files()["new.txt"])
    assert bob.merge("alice").result == "same"


def test_what_its_author_stashed_goes_where_it_was_merged_and_stays_where_it_was_committed(tmp_path: Path) -> None:
    mates = found(tmp_path, "alice", "bob", "carol")
    alice, bob, carol = next(mates), next(mates), next(mates)
    alice.edit("a.txt", 3, insert=True)
    alice.snapshot()
    for mate in (bob, carol):
        mate.merge("alice")
    assert carol.git("commit", "-qam", "alice's")
    carol.snapshot()
    assert alice.git("stash", "-q")
    alice.snapshot()
    for mate in (bob, carol):
        mate.merge("alice")
    assert b"alice1" not in bob.files()["a.txt"]
    assert b"alice1" in carol.files()["a.txt"]
    assert list(mates) == []


@pytest.mark.parametrize(
    ("newer", "lines", "returned", "made"),
    [
        (b"a\nc\n", b"b", b"", b"a\nc\n"),
        (b"a\n", b"b", b"", b"a\nc\n"),
        (b"a\nb\nc\nb\n", b"b", b"", b"a\nb\nc\n"),
        (b"a\nx\nc\n", b"b", b"", b"a\nc\n"),
        (b"a\nx\nc\n", b"b", b"x", b"a\nx\nc\n"),
        (b"x\nc\n", b"b", b"x", b"a\nc\n"),
    ],
)
def test_a_base_is_without_what_was_not_taken_away(newer: bytes, lines: bytes, returned: bytes, made: bytes) -> None:
    assert without_lines(b"a\nb\nc\n", newer, lines_in(lines), lines_in(returned)) == made


def test_a_bracket_goes_with_the_lines_before_it() -> None:
    text = b"one {\n}\ntwo {\n}\n\nthree {\n}\n"
    assert without_lines(text, b"one {\n}\nthree {\n}\n", lines_in(b"two {"), lines_in(b"")) == (
        b"one {\n}\nthree {\n}\n"
    )
