"""Looking back: `bough find`, `bough diff` and `bough log`."""

from __future__ import annotations

import json
import time
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
    assert typed.code == 1 and "nobody is not a live branch" in typed.err


@pytest.fixture
def reset(alice: Member) -> Member:
    """A member whose edits Git has thrown away, between two seconds of its log."""
    alice.bough("up")
    for number in range(3):
        with (alice.tree / "a.txt").open("a") as edited:
            edited.write(f"line {number}\n")
        alice.bough("save")
    time.sleep(1.1)  # git's log of HEAD and snapshots have whole seconds
    alice.git("reset", "-q", "--hard")
    time.sleep(1.1)
    (alice.tree / "src/new.py").write_text("new\n")
    alice.bough("save")
    return alice


def test_log_says_what_git_did_between_the_snapshots_and_restore_goes_back_before_it(reset: Member) -> None:
    lines = [line.split("  ", 1)[1].strip() for line in reset.bough("log").splitlines()]
    place = next(number for number, line in enumerate(lines) if "git reset: moving to HEAD" in line)
    assert lines[place + 1].endswith("a.txt +3 −0 (4 saves)") and "new.py" in lines[place - 1]
    reset.bough("restore", "a.txt", "--before", "git reset")
    assert (reset.tree / "a.txt").read_text().endswith("line 2\n")
    typed = reset.types("restore", "a.txt", "--before", "git rebase")
    assert typed.code == 1 and "Git did nothing like" in typed.err
    assert reset.types("restore", "a.txt", "--before", "git reset", "--from", "1m").code == 2


def test_log_of_a_path_has_what_changed_it(reset: Member) -> None:
    def snapshots(*words: str) -> list[str]:
        return [json.loads(line)["tip"] for line in reset.bough("log", "--json", *words).splitlines()]

    everything = snapshots("-n", "100")
    assert len(snapshots("--", "a.txt")) == 4 and len(snapshots("alice", "src")) == 1
    assert snapshots("a.txt", "-n", "2") == snapshots("--", "a.txt")[:2]
    assert snapshots("--since", "1h", "-n", "100") == everything and snapshots("--since", "0s", "-n", "9") != everything
    assert len(reset.bough("log", "--each", "-n", "100").splitlines()) == len(everything) + 1
    shown = reset.bough("log", "-p", "-n", "1")
    assert "+new" in shown and "src/new.py" in shown
    for words, code in ((("nothing.txt",), 1), (("--since", "yesterdayish"), 2)):
        assert reset.types("log", *words).code == code
