"""What a member and a branch may be called."""

from __future__ import annotations

import subprocess

import pytest
from bough_daemon.errors import BadName
from bough_daemon.team.names import (
    LONGEST,
    check_branch,
    check_live_branch,
    check_member_name,
    further_names,
    member_name_from,
    owner_of,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = [
    "alice",
    "a",
    "0day",
    "alice+desktop",
    "bob.smith",
    "bob_smith-2",
    "alice+agent",
    "headless",
    "main",
    "cons",
    "nulls.x",
    "com",
]
BAD = [
    "",
    "Alice",
    "älice",
    ".alice",
    "-alice",
    "alice.",
    "al..ice",
    "alice.lock",
    "alice+",
    "+desktop",
    "alice+a+b",
    "alice+Desk",
    "alice/bob",
    "alice bob",
    "alice\n",
    "head",
    "fetch_head",
    "orig_head",
    "stash",
    "a" * 65,
    "0123456789" * 4,
    "../x",
    "con",
    "nul.txt",
    "com7",
    "lpt1.a.b",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_plain_name_is_a_member_name(name: str) -> None:
    assert check_member_name(name) == name


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_git_or_a_file_system_could_misread_is_refused(name: str) -> None:
    with pytest.raises(BadName) as refused:
        check_member_name(name)
    assert "is not a valid member name" in refused.value.message


@given(st.text("abz019.-_+/@~{ A", max_size=12))
def test_every_member_name_is_a_branch_to_git(name: str) -> None:
    try:
        check_member_name(name)
    except BadName:
        return
    assert subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("git_user", "name"),
    [
        ("Älice Müller", "alice-muller"),
        ("Bob", "bob"),
        ("J. R. R. Tolkien", "j.-r.-r.-tolkien"),
        ("Weiß, Øystein Łukasz", "weiss-oystein-lukasz"),
        ("  --x--  ", "x"),
        ("o'neill", "o-neill"),
        ("dev.lock", "dev"),
        ("a..b", "a.b"),
    ],
)
def test_a_member_is_named_after_the_git_user(git_user: str, name: str) -> None:
    assert member_name_from(git_user) == name


@pytest.mark.parametrize("git_user", ["", "李雷", "...", "HEAD"])
def test_a_git_user_whose_name_gives_no_member_name_is_told_so(git_user: str) -> None:
    with pytest.raises(BadName):
        member_name_from(git_user)


@given(st.text(max_size=90))
def test_what_follows_from_a_git_user_is_always_a_member_name(git_user: str) -> None:
    try:
        name = member_name_from(git_user)
    except BadName:
        return
    assert check_member_name(name) == name


@given(st.text("ab/.~^:@{}*[\\-?lock \x7f\x01", max_size=12).map(str.encode))
def test_a_shared_branch_is_what_git_takes_as_one(name: bytes) -> None:
    asked = subprocess.run(["git", "check-ref-format", b"refs/heads/" + name], capture_output=True)
    try:
        check_branch(name)
    except BadName:
        # Stricter than git only where a word would be read as an option or as something else.
        assert asked.returncode != 0 or name.startswith(b"-") or name in (b"@", b"HEAD")
    else:
        assert asked.returncode == 0


def test_a_further_worktree_belongs_to_the_member_before_the_plus() -> None:
    assert owner_of("alice+docs") == "alice"
    assert owner_of("alice") == "alice"
    assert owner_of("alice+desktop+docs") == "alice+desktop"


def test_a_worktree_of_a_member_with_a_plus_has_a_branch() -> None:
    assert check_live_branch("alice+desktop+docs") == "alice+desktop+docs"
    for name in ("alice+a+b+c", "alice++b", "+a+b", "alice+a+", "Alice+a+b", "alice+a+b/c", "a" * 60 + "+bc+de"):
        with pytest.raises(BadName):
            check_live_branch(name)


@given(st.sampled_from(["alice", "alice+desk", "a" * 50, "a" * 58]), st.text(max_size=80))
def test_every_further_name_may_be_had(name: str, folder: str) -> None:
    clones, worktrees = further_names(name, folder), further_names(name, folder, branch=True)
    assert len(set(clones)) == len(clones) > 50 and len(set(worktrees)) == len(worktrees)
    assert all(check_member_name(one).startswith(name) and len(one) <= LONGEST for one in clones)
    assert all(owner_of(check_live_branch(one)) == name for one in worktrees)
