"""`bough land` as it is typed: its options, its words, its exit codes, and what surrounds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.daemon.support import git, make_repository, write_files


@pytest.fixture
def bob(alice: Member, tmp_path: Path) -> Member:
    """A live member whose main is on a bare remote."""
    git(tmp_path, "clone", "-q", "--bare", str(alice.tree), str(tmp_path / "remote.git"))
    alice.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    alice.git("fetch", "-q", "origin")
    alice.git("branch", "-q", "--set-upstream-to=origin/main")
    alice.bough("up")
    return alice


def test_each_message_is_a_paragraph(bob: Member) -> None:
    write_files(bob.tree, {"a.txt": b"mine\n"})
    bob.bough("land", "-m", "One\n", "-m", "Two\nlines", "-m", "Three")
    assert bob.git("log", "-1", "--format=%B").startswith("One\n\nTwo\nlines\n\nThree\n\nBough-Snapshot: ")


def test_what_a_surrounding_hook_says_of_its_repository_is_not_taken_for_this_one(bob: Member, tmp_path: Path) -> None:
    make_repository(tmp_path / "other", {"x.txt": b"x\n"})
    other = tmp_path / "other/.git"
    before = git(tmp_path / "other", "for-each-ref")
    bob.variables |= {
        "GIT_DIR": str(other),
        "GIT_WORK_TREE": str(tmp_path / "other"),
        "GIT_INDEX_FILE": str(other / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"),
        "GIT_COMMON_DIR": str(other),
        "GIT_PREFIX": "sub/",
        "GIT_NAMESPACE": "ns",
        "GIT_AUTHOR_NAME": "Author of the Moment",
        "GIT_COMMITTER_EMAIL": "moment@example.org",
    }
    write_files(bob.tree, {"a.txt": b"mine\n"})
    commit = bob.told("land", "-m", "from a hook")["commit"]
    assert bob.git("log", "-1", "--format=%an %ce", commit) == "Author of the Moment moment@example.org"
    assert bob.git("rev-parse", "HEAD") == commit == git(tmp_path / "remote.git", "rev-parse", "refs/heads/main")
    assert bob.bough("git", "log", "-1", "--format=%H") == commit
    assert bob.bough("git", "status", "--porcelain") == ""
    assert git(tmp_path / "other", "for-each-ref") == before
