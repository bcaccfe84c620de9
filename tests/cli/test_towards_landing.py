"""The status says what would land, whether the shared branch moved on, and what is in the way; of teammates, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import Pair, pair, teammate  # noqa: F401  (a fixture)
from tests.daemon.support import git


@pytest.fixture
def origin(pair: Pair, tmp_path: Path) -> Path:  # noqa: F811
    """A remote that both members have as `origin`, with their main."""
    bare = tmp_path / "origin ü.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    alice, bob = pair
    alice.git("remote", "add", "origin", str(bare))
    alice.git("push", "-q", "-u", "origin", "main")
    bob.git("remote", "set-url", "origin", str(bare))
    bob.git("fetch", "-q")
    return bare


def commit(member: Member, name: str, content: str) -> None:
    path = member.tree / name
    path.write_text(content)
    member.git("add", name)
    member.git("commit", "-qm", name)


def test_who_commits_all_day_has_changes(pair: Pair, origin: Path) -> None:  # noqa: F811
    alice, bob = pair
    assert "no changes" in bob.bough("status")
    commit(alice, "one\ntwo", "1\n2\n")
    commit(alice, "üb", "3\n")
    alice.bough("save", "--wait", "bob")
    would = teammate(bob, "alice")["would_land"]
    assert (would["commits"], would["files"]) == (2, ["one\ntwo", "üb"]), would
    assert "2 commits, 2 files: " in bob.bough("status") and "no changes" not in bob.bough("status")
    (alice.tree / "a.txt").write_text("one\ntwo\nnew\n")
    alice.bough("save", "--wait", "bob")
    assert "  would land on main: 2 commits, 3 files (+4 -1)" in alice.bough("status")
    alice.git("push", "-q")
    bob.git("fetch", "-q")
    until(lambda: bool(teammate(bob, "alice")["would_land"]["commits"] == 0))
    assert "1 file: a.txt" in bob.bough("status")


def test_the_shared_branch_has_moved_on(pair: Pair, origin: Path) -> None:  # noqa: F811
    alice, bob = pair
    assert "ahead" not in bob.bough("status")
    for name in ("x", "y", "z"):
        commit(alice, name, "1\n")
    alice.git("push", "-q")
    assert "ahead" not in bob.bough("status"), "no network is asked"
    bob.git("fetch", "-q")
    assert "  origin's main is 3 commits ahead, as of the last fetch" in bob.bough("status")
    told = bob.told("status")
    assert (told["behind"], told["shared_branch"], told["shared_remote"]) == (3, "main", "origin")
    bob.git("merge", "-q", "--ff-only", "origin/main")
    bob.bough("save")
    assert "ahead" not in bob.bough("status")


def test_conflicts_and_an_operation_are_told_until_they_are_over(pair: Pair, origin: Path) -> None:  # noqa: F811
    alice, _ = pair
    alice.git("switch", "-qc", "other")
    commit(alice, "a.txt", "theirs\n")
    alice.git("switch", "-q", "main")
    commit(alice, "a.txt", "ours\n")
    merged = subprocess.run(["git", "merge", "other"], cwd=alice.tree, capture_output=True, check=False)
    assert merged.returncode == 1
    alice.bough("save")
    said = alice.bough("status")
    assert "  merge in progress" in said and "  1 conflict left to resolve" in said
    assert (alice.told("status")["operation"], alice.told("status")["conflicts"]) == ("merge", 1)
    alice.git("merge", "--abort")
    alice.bough("save")
    said = alice.bough("status")
    assert "in progress" not in said and "left to resolve" not in said


def test_without_a_remote_the_local_branch_is_what_counts(alice: Member) -> None:
    alice.bough("up")
    alice.git("switch", "-qc", "topic")
    commit(alice, "new", "1\n2\n")
    alice.bough("save")
    assert "  would land on main: 1 commit, 1 file (+2 -0)" in alice.bough("status")
    commit(alice, "b\udcff.bin", "\0\n")
    alice.bough("save")
    assert "  would land on main: 2 commits, 2 files (+2 -0)" in alice.bough("status")


def test_an_unrelated_shared_branch_is_no_error(alice: Member) -> None:
    alice.bough("up")
    alice.git("switch", "-q", "--orphan", "island")
    commit(alice, "new", "1\n")
    alice.bough("save")
    assert alice.told("status")["would_land"] is None
