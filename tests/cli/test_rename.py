"""A member who changes their name, as they and their teammates see it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.store.store import LIVE, SHARED

from tests.cli.conftest import Member, until
from tests.cli.test_clones import branches, save
from tests.cli.test_two_members import join, teammate
from tests.daemon.support import git, write_files

Members = Callable[[str], Member]
Three = tuple[Member, Member, Member]


@pytest.fixture
def three(members: Members) -> Three:
    """Alice, who founded the team, and bob and carol, whom she let in; all have a snapshot of each other."""
    alice, bob, carol = members("alice"), members("bob"), members("carol")
    alice.bough("up")
    for guest in (bob, carol):
        join(alice, guest)
    for member, others in ((alice, ("bob", "carol")), (bob, ("alice", "carol")), (carol, ("alice", "bob"))):
        until(lambda: {*others} <= branches(member).keys())
    return alice, bob, carol


def names(member: Member) -> list[str]:
    return [json.loads(line)["name"] for line in member.bough("team", "--json").splitlines()]


def test_everyone_follows_a_new_name_and_who_was_away_learns_it_later(three: Three) -> None:
    alice, bob, carol = three
    before = save(alice, "as alice")
    until(lambda: branches(carol)["alice"]["tip"] == before)
    carol.ends()
    asked = alice.types("rename", "anna")
    assert asked.code == 1 and "--yes" in asked.err, asked
    done = alice.types("rename", "anna", "--yes")
    assert done.code == 0 and "You are anna now" in done.out, done
    assert alice.told("status")["member"] == alice.told("status")["branch"] == "anna"
    until(lambda: branches(bob).keys() == {"anna", "carol"} and names(bob) == ["anna", "bob", "carol"])
    tip = save(alice, "as anna")
    until(lambda: teammate(bob, "anna")["tip"] == tip)
    assert alice.bough("save", "--wait", "bob") and "○ carol" in bob.bough("status")
    assert "anna (was alice)" in bob.bough("team")
    # What was recorded before is in the timeline of the new name.
    assert before in [one["tip"] for one in map(json.loads, alice.bough("log", "--json").splitlines())]
    carol.bough("up")
    until(lambda: names(carol) == ["anna", "bob", "carol"] and branches(carol).get("anna", {}).get("tip") == tip)
    for member in (alice, bob, carol):
        assert member.told("status")["notices"] == []
    # Nobody can have the old name.
    taken = bob.types("rename", "alice", "--yes")
    assert taken.code == 1 and "alice is the earlier name of anna" in taken.err, taken
    alice.is_killed()
    tip = save(alice, "after a restart")
    assert alice.told("status")["branch"] == "anna"
    until(lambda: teammate(bob, "anna")["tip"] == tip)


def test_a_rename_that_is_killed_before_its_branches_are_renamed_is_finished_at_the_next_start(three: Three) -> None:
    alice, bob, _ = three
    before = save(alice, "as alice")
    until(lambda: branches(bob)["alice"]["tip"] == before)
    alice.bough("rename", "anna", "--yes")
    alice.is_killed()
    # As at a kill right after the one write that decides: the branch still has the old name.
    store = alice.tree / ".git/bough/store.git"
    for prefix in (LIVE, SHARED):
        git(store, "update-ref", f"{prefix}alice", git(store, "rev-parse", f"{prefix}anna"))
        git(store, "update-ref", "-d", f"{prefix}anna")
    alice.bough("up")
    assert alice.told("status")["branch"] == "anna"
    assert before in [one["tip"] for one in map(json.loads, alice.bough("log", "--json").splitlines())]
    tip = save(alice, "as anna")
    until(lambda: branches(bob).get("anna", {}).get("tip") == tip and "alice" not in branches(bob))


def test_what_no_name_can_be_is_told_and_nothing_changes(three: Three) -> None:
    alice, bob, _ = three
    for name, code, said in (
        ("bob", 1, "named bob already"),
        ("alice", 1, "named alice already"),
        ("Anna", 2, "not a valid member name"),
        ("a\nb", 2, "not a valid member name"),
        ("HEAD", 2, "not a valid member name"),
        ("ünï", 2, "not a valid member name"),
        ("bob+x", 1, "bob"),
    ):
        answer = alice.types("rename", name, "--yes")
        assert answer.code == code and said in answer.err and "Traceback" not in answer.err, answer
    assert alice.told("status")["branch"] == "alice"
    tip = save(alice, "still alice")
    until(lambda: branches(bob)["alice"]["tip"] == tip)


def test_a_teammate_in_a_renamed_branch_returns_from_it_and_a_second_worktree_follows(three: Three) -> None:
    alice, bob, _ = three
    linked = Member("alice", alice.tree.parent / "docs", alice.home)
    alice.git("worktree", "add", "-q", str(linked.tree))
    linked.bough("up")
    tip = save(linked, "in the second worktree")
    until(lambda: branches(bob).get("alice+docs", {}).get("tip") == tip)
    write_files(alice.tree, {"a.txt": b"of alice\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    linked.bough("down")
    alice.bough("rename", "anna", "--yes")
    until(lambda: "anna" in branches(bob))
    bob.bough("back")
    assert bob.told("status")["hopped_to"] == ""
    linked.bough("up")
    assert linked.told("status")["branch"] == "anna+docs" and linked.told("save")["shared_tip"] == tip
    until(lambda: branches(bob).get("anna+docs", {}).get("tip") == tip)
    bob.bough("merge", "anna")
    assert (bob.tree / "a.txt").read_bytes() == b"of alice\n"


def test_a_machine_that_was_restored_from_before_the_rename_goes_by_the_new_name(three: Three, tmp_path: Path) -> None:
    alice, bob, _ = three
    alice.ends()
    second = Member("alice", tmp_path / "restored", tmp_path / "home-restored")
    shutil.copytree(alice.tree, second.tree, symlinks=True)
    shutil.copytree(alice.home, second.home, symlinks=True, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    alice.bough("rename", "anna", "--yes")
    until(lambda: "anna" in names(bob))
    alice.ends()
    lost = tmp_path / "lost"
    os.replace(alice.tree, lost)
    try:
        second.bough("up")
        until(lambda: second.told("status")["branch"] == "anna" == second.told("status")["member"])
        tip = save(second, "restored")
        until(lambda: teammate(bob, "anna")["tip"] == tip)
        second.ends()
        assert second.told("status")["branch"] == "anna"
    finally:
        second.ends()
        os.replace(lost, alice.tree)
