"""What text there was, and what has changed: `bough find` and `bough diff`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Member, until
from tests.daemon.support import git


def found(member: Member, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in member.bough("find", *words, "--json").splitlines()]


@pytest.mark.parametrize("text", ["def lost(", "a.*b [x] (", "--output=x", "-n", "ünï", "tab\tand  spaces", "%s\\n"])
def test_text_that_was_taken_out_is_found_where_it_last_was(alice: Member, text: str) -> None:
    alice.bough("up")
    before = (alice.tree / "a.txt").read_bytes()
    (alice.tree / "a.txt").write_text(f"one\n  {text}\n")
    tip = alice.told("save")["tip"]
    (alice.tree / "a.txt").write_bytes(before)
    words = ("--", text)
    alice.bough("save")
    said = json.loads(alice.bough("find", "--json", *words))
    assert (said["path"], said["line"], said["snapshot"], said["is_there"]) == ("a.txt", 2, tip, False)
    assert said["text"].strip() == text and said["branches"] == ["alice"]
    assert f"bough restore a.txt --from {tip[:10]}" in alice.bough("find", *words)
    alice.bough("restore", "a.txt", "--from", tip[:10])
    assert (alice.tree / "a.txt").read_text() == f"one\n  {text}\n"


def test_text_is_found_after_git_threw_it_away(alice: Member) -> None:
    alice.bough("up")
    (alice.tree / "new.txt").write_text("precious\n")
    (alice.tree / "a.txt").write_text("precious, too\n")
    alice.bough("save")
    alice.git("switch", "-qc", "other")
    alice.git("reset", "-q", "--hard")
    alice.git("clean", "-qfd")
    assert {one["path"] for one in found(alice, "precious")} == {"new.txt", "a.txt"}
    assert [one["path"] for one in found(alice, "precious", "new.txt")] == ["new.txt"]


def test_what_nobody_wrote_is_not_found(alice: Member) -> None:
    alice.bough("up")
    typed = alice.types("find", "nothing like it")
    assert typed.code == 1 and "no snapshot added or removed" in typed.err
    assert alice.types("find", " ").code == 2


def test_a_teammate_s_text_is_found_and_restored_from_there(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    bob.bough("join", alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1])
    (bob.tree / "theirs.txt").write_text("by bob\n")
    first = bob.told("save", "--wait", "alice")["shared_tip"]
    assert [(one["branches"], one["is_there"]) for one in found(alice, "by bob")] == [(["bob"], True)]
    (bob.tree / "theirs.txt").write_text("changed\n")
    bob.bough("save", "--wait", "alice")
    until(lambda: not found(alice, "by bob")[0]["is_there"])
    assert f"--from {first[:10]} --name bob" in alice.bough("find", "by bob")
    alice.bough("restore", "theirs.txt", "--from", first[:10], "--name", "bob")
    assert (alice.tree / "theirs.txt").read_text() == "by bob\n"
    assert "+changed" in alice.bough("diff", "bob") and "theirs.txt" in alice.bough("diff", "bob", "--stat")


def test_diff_shows_what_git_would_after_adding_everything(alice: Member) -> None:
    alice.bough("up")
    (alice.tree / "a.txt").write_text("one\nzwei\nthree\n")
    (alice.tree / "n ü.txt").write_text("new\n")
    shown = alice.bough("diff")
    git(alice.tree, "add", "-A")
    assert shown == git(alice.tree, "diff", "--cached").strip()
    assert alice.bough("diff", "alice", "--", "a.txt") == git(alice.tree, "diff", "--cached", "--", "a.txt").strip()
    tip = alice.told("save")["tip"]
    (alice.tree / "a.txt").write_text("one\n")
    assert "-zwei" in alice.bough("diff", tip[:10]) and "new" not in alice.bough("diff", tip[:10])
    typed = alice.types("diff", "nobody")
    assert typed.code == 1 and "nobody has no live branch here" in typed.err
