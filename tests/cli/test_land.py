"""`bough land` as it is typed: its options, its words, its exit codes, and what surrounds it."""

from __future__ import annotations

import json
import sys
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


def test_a_hook_may_call_bough_but_no_command_that_waits_for_it(bob: Member, tmp_path: Path) -> None:
    bough = f"'{sys.executable}' -P -m bough_cli"
    hook = bob.tree / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nexec > '{tmp_path}/seen'\n"
        f"{bough} status --json && {bough} save --json && {bough} log --json && {bough} git log -1 --format=%s main\n"
        f"{bough} merge bob 2>&1; echo $?\n{bough} land -m x 2>&1; echo $?\n{bough} undo 2>&1; echo $?\n"
        f"{bough} down 2>&1; echo $?\n"
    )
    hook.chmod(0o755)
    git(tmp_path, "clone", "-q", "remote.git", "other")
    write_files(tmp_path / "other", {"theirs.txt": b"t\n"})
    git(tmp_path / "other", "add", "--all")
    git(tmp_path / "other", "commit", "-qm", "theirs")
    git(tmp_path / "other", "push", "-q")
    write_files(bob.tree, {"a.txt": b"mine\n"})
    bob.bough("land", "-m", "mine")
    seen = (tmp_path / "seen").read_text()
    assert json.loads(seen.splitlines()[0])["state"] == "live"
    assert seen.count("this command was started by a hook of `bough land`") == 3
    assert seen.count("a command is at work") == 1
    assert [line for line in seen.splitlines() if line in ("0", "1", "theirs")] == ["theirs", "1", "1", "1", "1"]
    assert bob.told("status")["state"] == "live"
    assert bob.git("status", "--porcelain") == ""
