"""Several clones of one project under one home: each has a branch of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.support import git, remove_tree, write_files

Members = Callable[[str], Member]


def clone_of(member: Member, folder: str) -> Member:
    """Return the same user in another clone."""
    tree = member.tree.parent / folder
    git(member.tree.parent, "clone", "-q", str(member.tree), str(tree))
    for key in ("user.name", "user.email"):
        git(tree, "config", key, git(member.tree, "config", key))
    return Member(member.name, tree, member.home)


def branches(member: Member) -> dict[str, Any]:
    """Return the live branches of teammates that a member holds, by name."""
    return {one["branch"]: one for one in member.told("status")["teammates"] if one["tip"]}


def save(member: Member, content: str) -> str:
    """Save a file and return the tip."""
    write_files(member.tree, {"mine.txt": content.encode()})
    return str(member.told("save")["shared_tip"])


def test_a_second_clone_is_a_member_of_its_own(members: Members) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    second = clone_of(alice, "Second clone")
    ticket = bob.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
    said = second.types("join", "-", stdin=ticket)
    assert said.code == 0 and "You are alice+second-clone" in said.out and str(alice.tree) in said.err, said
    first, other, his = save(alice, "first"), save(second, "second"), save(bob, "his")
    wanted = {"alice": first, "alice+second-clone": other}
    until(lambda: {name: one["tip"] for name, one in branches(bob).items()} == wanted)
    until(lambda: branches(alice).keys() == {"alice+second-clone", "bob"})
    until(lambda: branches(second).get("bob", {}).get("tip") == his)

    alice.bough("down", "--all")
    first, other = save(alice, "first again"), save(second, "second again")
    wanted = {"alice": first, "alice+second-clone": other}
    until(lambda: {name: one["tip"] for name, one in branches(bob).items()} == wanted)
    until(lambda: branches(second).get("alice", {}).get("tip") == first)
    second.bough("hop", "alice")
    assert (second.tree / "mine.txt").read_bytes() == b"first again"
    second.bough("back")
    (second.tree / "mine.txt").unlink()
    second.bough("merge", "alice")
    assert second.told("status")["member"] == "alice+second-clone"


def test_a_third_clone_and_a_worktree_of_the_second_get_names_of_their_own(members: Members) -> None:
    alice = members("alice")
    alice.bough("up")
    linked = Member("alice", alice.tree.parent / "two", alice.home)
    alice.git("worktree", "add", "-q", str(linked.tree))
    linked.bough("up")
    second, third = clone_of(alice, "other/two"), clone_of(alice, "third")
    for clone in (second, third):
        join(alice, clone)
    inside = Member("alice", alice.tree.parent / "wt", alice.home)
    second.git("worktree", "add", "-q", str(inside.tree))
    inside.bough("up")
    told = [one.told("status") for one in (alice, linked, second, third, inside)]
    assert [one["branch"] for one in told] == ["alice", "alice+two", "alice+two-2", "alice+third", "alice+two-2+wt"]
    tips = {one.told("status")["branch"]: save(one, str(number)) for number, one in enumerate((second, inside, third))}
    until(lambda: {name: one["tip"] for name, one in branches(alice).items()} == tips)


def test_what_is_refused_leaves_all_as_it_was(members: Members) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    second = clone_of(alice, "second")
    ticket = bob.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
    for name in ("alice", "bob"):
        refused = second.types("join", "-", "--as", name, stdin=ticket)
        assert refused.code == 1 and f" named {name} already" in refused.err, refused
    assert not list((alice.home / "clones").iterdir())
    second.bough("join", "-", "--as", "alice+desk", stdin=ticket)
    assert second.told("status")["branch"] == "alice+desk"
    second.bough("down", "--forget", "--yes")
    assert not list((alice.home / "clones").iterdir())
    assert alice.told("status")["branch"] == "alice" and branches(bob).keys() >= {"alice"}


def test_a_clone_in_the_place_of_a_removed_one_goes_on_as_that_member(members: Members, tmp_path: Path) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    second = clone_of(alice, "second")
    join(bob, second)
    remove_tree(alice.tree)
    until(lambda: str(alice.tree) not in (alice.home / "live.json").read_text())
    assert second.told("status")["branch"] == "alice+second"
    again = clone_of(second, "again")
    join(bob, again)
    assert again.told("status")["branch"] == "alice"
    tip = save(again, "again")
    until(lambda: branches(bob)["alice"]["tip"] == tip)


def test_a_copy_of_a_clone_that_is_a_member_of_its_own_is_on_its_own(members: Members) -> None:
    alice = members("alice")
    alice.bough("up")
    second = clone_of(alice, "second")
    join(alice, second)
    second.bough("down", "--all")
    copy = Member("alice", alice.tree.parent / "copy", alice.home)
    shutil.copytree(second.tree, copy.tree, symlinks=True)
    copy.bough("down", "--forget", "--yes")
    assert second.told("status")["branch"] == "alice+second"
    tip = save(second, "still there")
    until(lambda: branches(alice).get("alice+second", {}).get("tip") == tip)


def test_a_second_machine_joins_under_its_persons_name_with_a_ticket_of_that_person(members: Members) -> None:
    alice, bob, desktop = members("alice"), members("bob"), members("desktop")
    alice.bough("up")
    join(alice, bob)
    ticket = bob.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
    refused = desktop.types("join", "-", "--as", "alice+desktop", stdin=ticket)
    assert refused.code == 1 and "only alice can admit alice+desktop" in refused.err, refused
    join(alice, desktop, "--as", "alice+desktop")
    second = clone_of(alice, "second")
    join(alice, second)
    shown = {one["name"]: one["fingerprint"] for one in map(json.loads, bob.bough("team", "--json").splitlines())}
    for one in (alice, desktop, second):  # each exports the key that signs where it is typed
        assert one.bough("key", "show") == shown[one.told("status")["member"]]
    tip = save(desktop, "on the desktop")
    for one in (alice, bob):
        until(lambda: branches(one).get("alice+desktop", {}).get("tip") == tip)
        assert "● alice+desktop" in one.bough("status")
    listed = bob.bough("team").splitlines()
    assert listed[0].startswith("● alice ") and listed[2].startswith("  ● alice+desktop ")
    agent = Member("alice", alice.tree.parent / "agent", alice.tree.parent / "home-agent")
    git(alice.tree.parent, "clone", "-q", str(alice.tree), str(agent.tree))
    try:
        join(alice, agent, "--as", "alice+agent")
        assert agent.told("status")["branch"] == "alice+agent"
    finally:
        agent.ends()
