"""`bough hop --worktree`: a teammate's branch in a working tree of its own, which is kept for the next hop."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_together import LINES, add, team_of, text
from tests.daemon.support import git


@pytest.fixture
def pair(members: Callable[..., Member]) -> tuple[Member, Member]:
    alice, bob = team_of(members, "alice", "bob")
    add(alice, "alice was here")
    alice.bough("save", "--wait", "bob")
    return alice, bob


def hop(member: Member, *arguments: str) -> Path:
    """Hop in the worktree, and return its path."""
    return Path(member.bough("hop", "alice", "--worktree", *arguments))


def test_the_worktree_has_the_teammates_files_and_mine_stay(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    add(bob, "bob's own")
    mine, head = text(bob), bob.git("symbolic-ref", "HEAD")
    tree = hop(bob)
    assert (tree / "a.txt").read_text() == text(alice)
    assert not tree.is_relative_to(bob.tree) and git(tree, "rev-parse", "HEAD") == alice.git("rev-parse", "HEAD")
    assert (text(bob), bob.git("symbolic-ref", "HEAD")) == (mine, head)
    assert hop(bob) == tree
    (one,) = bob.told("status")["worktrees"]
    assert (one["repository"], one["hopped_to"], one["branch"]) == (str(tree), "alice", "bob+hop")


def test_what_is_typed_there_goes_into_the_teammates_files(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    tree = hop(bob)
    (tree / "b.txt").write_bytes(LINES + b"from the worktree\n")
    until(lambda: "from the worktree" in text(alice, "b.txt"))
    (tree / "src/b.py").unlink()
    until(lambda: not (alice.tree / "src/b.py").exists())
    assert "from the worktree" not in text(bob, "b.txt")


def test_a_worktree_that_is_deleted_takes_nothing_from_its_host_and_is_made_again(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    for number in range(300):
        (alice.tree / f"f{number}").write_text(f"{number}\n")
    alice.bough("save", "--wait", "bob")
    tree = hop(bob)
    shutil.rmtree(tree)
    until(lambda: not any(one["live"] for one in bob.told("status")["worktrees"]))
    doctor = bob.types("doctor")
    assert doctor.code == 1 and f"bob+hop: its working tree {tree} was deleted" in doctor.out, doctor
    assert "`bough agent hop --remove`" in doctor.out
    add(alice, "later")
    alice.bough("save", "--wait", "bob")
    assert hop(bob) == tree
    assert len(list(tree.glob("f*"))) == len(list(alice.tree.glob("f*"))) == 300
    assert (tree / "a.txt").read_text() == text(alice)
    assert bob.types("doctor").code == 0


def test_edits_that_conflict_stop_the_hop_and_stay(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    tree = hop(bob, "--follow")
    (tree / "a.txt").write_text(text(alice).replace("line 3\n", "line three\n"))
    git(tree, "status")
    bob.types("save", where=tree)
    (alice.tree / "a.txt").write_text(text(alice).replace("line 3\n", "line 3.0\n"))
    alice.bough("save", "--wait", "bob")
    typed = bob.types("hop", "alice", "--worktree")
    assert typed.code == 1 and "a.txt" in typed.err
    assert "line three\n" in (tree / "a.txt").read_text()


def test_hopping_on_says_which_edits_stayed_with_the_other_teammate(members: Callable[..., Member]) -> None:
    _alice, bob, carol = team_of(members, "alice", "bob", "carol")
    add(carol, "carol was here")
    carol.bough("save", "--wait", "alice", "bob")
    tree = hop(bob, "--follow")
    (tree / "new.txt").write_text("mine")
    bob.types("save", where=tree)
    typed = bob.types("hop", "carol", "--worktree")
    assert typed.code == 0 and "new.txt" in typed.err and "bough restore" in typed.err
    assert "carol was here" in (tree / "a.txt").read_text() and not (tree / "new.txt").exists()


def test_two_hops_at_once_use_one_worktree(pair: tuple[Member, Member]) -> None:
    _, bob = pair
    codes: list[tuple[int, str]] = []

    def type_it() -> None:
        typed = bob.types("hop", "alice", "--worktree")
        codes.append((typed.code, typed.out.strip()))

    both = [threading.Thread(target=type_it) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert {code for code, _ in codes} == {0} and len({path for _, path in codes}) == 1
    assert len(bob.git("worktree", "list", "--porcelain").split("\n\n")) == 2


def test_a_worktree_that_was_killed_on_the_way_is_made_again(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    tree = hop(bob)
    bob.types("back", where=tree)
    bob.types("down", where=tree)
    record = bob.tree / ".git/bough/agents.json"
    agents = json.loads(record.read_text())
    agents["hop"]["is_whole"] = False  # as it is while Git makes the working tree
    record.write_text(json.dumps(agents))
    (tree / "a.txt").unlink()
    assert hop(bob) == tree
    assert (tree / "a.txt").read_text() == text(alice)


def test_a_shell_there_says_where_one_is_afterwards(pair: tuple[Member, Member], tmp_path: Path) -> None:
    _, bob = pair
    script = tmp_path / "a shell"
    script.write_text("#!/bin/sh\npwd >&2\nexit 3\n")
    script.chmod(0o755)
    bob.variables["SHELL"] = str(script)
    typed = bob.types("hop", "alice", "--worktree", "--shell")
    assert typed.code == 3 and typed.out == ""
    assert f"In {bob.tree} again, on your own branch, bob" in typed.err
    assert bob.types("hop", "alice", "--shell").code == 2


def test_the_record_names_the_worktree(pair: tuple[Member, Member]) -> None:
    _, bob = pair
    told = bob.told("hop", "alice", "--worktree", "--at", "0s")
    assert Path(told["worktree"]).is_dir() and (told["name"], told["kind"]) == ("alice", "still")


def test_its_removal_keeps_what_was_committed_there(pair: tuple[Member, Member]) -> None:
    _, bob = pair
    tree = hop(bob)
    git(tree, "commit", "-qam", "made there")
    made = git(tree, "rev-parse", "HEAD")
    refused = bob.types("down", "--forget", "--yes")
    assert refused.code == 1 and "bough agent hop --remove" in refused.err
    typed = bob.types("agent", "hop", "--remove")
    assert typed.code == 0 and "hop/alice" in typed.err, typed
    assert not tree.exists() and bob.git("rev-parse", "hop/alice") == made
    assert bob.types("down", "--forget", "--yes").code == 0
    assert bob.git("worktree", "list", "--porcelain").count("worktree ") == 1


def test_commits_on_a_detached_head_outlive_it_too(pair: tuple[Member, Member]) -> None:
    _, bob = pair
    tree = hop(bob)
    bob.types("back", where=tree)
    git(tree, "commit", "-q", "--allow-empty", "-m", "made after the return")
    made = git(tree, "rev-parse", "HEAD")
    assert "hop/worktree" in bob.bough("agent", "hop", "--remove")
    assert bob.git("rev-parse", "hop/worktree") == made


@pytest.mark.parametrize("arguments", [("nobody", "--worktree"), ("bob+hop", "--worktree")])
def test_nothing_is_made_for_a_branch_that_is_not_there(
    pair: tuple[Member, Member], arguments: tuple[str, ...]
) -> None:
    _, bob = pair
    assert bob.types("hop", *arguments).code == 1
    assert bob.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert bob.types("agent", "hop").code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(pair: tuple[Member, Member], tmp_path: Path) -> None:
    _, bob = pair
    closed = tmp_path / "clösed folder"
    closed.mkdir(mode=0o500)
    bob.bough("config", "set", "worktree.folder", str(closed))
    typed = bob.types("hop", "alice", "--worktree")
    assert typed.code == 1 and "clösed folder" in typed.err and "worktree.folder" in typed.err
    assert bob.told("status")["worktrees"] == []
