"""Who pauses sharing keeps recording, shares nothing new, and both sides are told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import Pair, join, teammate

SNEAKED = b"not for the team yet"


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two members of one team, both live."""
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    return alice, bob


def write(member: Member, content: bytes) -> None:
    (member.tree / "a.txt").write_bytes(content)


def has_at(member: Member, branch: str, content: bytes) -> bool:
    return content.decode() in member.bough("git", "show", f"{branch}:a.txt")


def is_paused(member: Member, name: str) -> bool:
    told: dict[str, Any] = teammate(member, name)
    return bool(told["connected"]) and told["sharing_paused_at"] > 0


def test_nothing_new_leaves_while_paused_and_the_newest_goes_on_resume(pair: Pair) -> None:
    alice, bob = pair
    assert "`bough resume` shares again" in alice.bough("pause")
    until(lambda: is_paused(bob, "alice"))
    assert "alice has paused sharing, " in bob.bough("status")
    assert "sharing is paused (" in alice.bough("status")
    before = teammate(bob, "alice")["tip"]
    write(alice, SNEAKED)
    saved = alice.told("save")
    assert saved["tip"] != before and saved["holders"] == [], "it is recorded here"
    (bob.tree / "b").write_bytes(b"bob's")
    bobs = bob.told("save", "--wait", "alice")  # by then alice has had her turn on the same stream
    assert teammate(alice, "bob")["tip"] == bobs["tip"], "what teammates share still arrives"
    assert teammate(bob, "alice")["tip"] == before
    alice.bough("resume")
    until(lambda: bool(teammate(bob, "alice")["tip"] == saved["shared_tip"]))
    assert has_at(bob, "alice", SNEAKED)
    until(lambda: not is_paused(bob, "alice"))
    assert "paused" not in alice.bough("status") + bob.bough("status")
    alice.bough("save", "--wait", "bob")


def test_a_pause_outlives_a_killed_daemon_and_is_told_to_those_who_connect_later(pair: Pair) -> None:
    alice, bob = pair
    bob.ends()
    since = alice.told("pause")["since"]
    write(alice, SNEAKED)
    alice.bough("save")
    alice.is_killed()
    assert alice.told("status")["sharing_paused_at"] == since
    assert alice.told("pause") == {"since": since, "already": True}
    bob.bough("status")
    until(lambda: is_paused(bob, "alice"))
    assert not has_at(bob, "alice", SNEAKED)
    bob.ends()
    alice.bough("resume")
    bob.bough("status")
    until(lambda: has_at(bob, "alice", SNEAKED))
    until(lambda: bool(teammate(bob, "alice")["connected"]))
    assert not is_paused(bob, "alice")


def test_a_damaged_note_of_a_pause_does_not_end_it(pair: Pair) -> None:
    alice, bob = pair
    alice.bough("pause")
    alice.is_killed()
    (alice.tree / ".git/bough/paused.json").write_bytes(b"\0")
    write(alice, SNEAKED)
    alice.bough("save")
    assert alice.told("status")["sharing_paused_at"] > 0
    until(lambda: is_paused(bob, "alice"))
    assert not has_at(bob, "alice", SNEAKED)


def test_what_only_makes_sense_for_the_team_says_that_sharing_is_paused(pair: Pair) -> None:
    alice, bob = pair
    alice.bough("pause")
    write(alice, SNEAKED)
    for words in (["save", "--wait"], ["save", "--wait", "bob"], ["comment", "a.txt:1", "why?"], ["solid"]):
        typed = alice.types(*words)
        assert typed.code != 0 and "Error: you paused sharing " in typed.err and "`bough resume`" in typed.err, typed
    assert not has_at(bob, "alice", SNEAKED)
    landed = alice.types("land", "-m", "sneaked")
    assert landed.code != 0 and "a landing goes to the team alone" in landed.err, landed
    assert alice.git("log", "-1", "--format=%s") != "sneaked"
    assert alice.told("resume") == {"since": 0.0, "already": False}
    assert alice.bough("resume") == "Sharing was not paused"


def seen(member: Member, branch: str) -> list[str]:
    """Return the files of a branch as a member has it."""
    return member.bough("git", "ls-tree", "-r", "--name-only", branch).splitlines()


def test_hidden_files_stay_at_home_and_the_rest_is_shared(pair: Pair) -> None:
    alice, bob = pair
    assert "hidden from your team" in alice.bough("pause", "--files", "a.txt", "dräft", "src/b.py")
    (alice.tree / "dräft").mkdir()
    (alice.tree / "dräft/new").write_bytes(SNEAKED)
    (alice.tree / "c").write_bytes(b"shared")
    (alice.tree / "src/b.py").unlink()
    write(alice, SNEAKED)
    alice.bough("save", "--wait", "bob")
    assert not has_at(bob, "alice", SNEAKED) and has_at(alice, "HEAD", b"one")
    files = seen(bob, "alice")
    assert "c" in files and "src/b.py" in files and not any("new" in one for one in files), files
    told = {one["path"]: one["reason"] for one in alice.told("status")["withheld"]}
    assert told == dict.fromkeys(("a.txt", "dräft/new", "src/b.py"), "hidden by you")
    assert set(alice.bough("pause", "--files").splitlines()) == {"a.txt", "dräft", "src/b.py"}
    alice.is_killed()
    alice.git("commit", "-qam", "hidden work")
    until(lambda: bool(teammate(alice, "bob")["connected"]))
    alice.bough("save", "--wait", "bob")
    assert not has_at(bob, "alice", SNEAKED), "nor does a commit show it"
    alice.bough("resume", "a.txt")
    alice.bough("save", "--wait", "bob")
    until(lambda: has_at(bob, "alice", SNEAKED) or bool(alice.told("status")["withheld"]))
    alice.bough("resume", "src/b.py", "dräft")
    alice.bough("save", "--wait", "bob")
    assert has_at(bob, "alice", SNEAKED) and "src/b.py" not in seen(bob, "alice")
    assert alice.told("status")["withheld"] == [] and alice.bough("pause", "--files") == "No file is hidden"


def test_a_damaged_list_hides_every_change(pair: Pair) -> None:
    alice, bob = pair
    alice.bough("pause", "--files", "a.txt")
    alice.is_killed()
    (alice.tree / ".git/bough/hidden.json").write_bytes(b"[")
    (alice.tree / "c").write_bytes(SNEAKED)
    write(alice, SNEAKED)
    until(lambda: bool(teammate(alice, "bob")["connected"]))
    alice.bough("save", "--wait", "bob")
    assert not has_at(bob, "alice", SNEAKED) and "c" not in seen(bob, "alice")
    assert alice.types("pause", "a.txt").code != 0, "it needs --files"
    assert alice.types("pause", "--files", ".").code != 0, "the whole tree is what a pause is for"


def test_a_pause_is_known_after_a_restart_while_the_teammate_is_away(pair: Pair) -> None:
    alice, bob = pair
    alice.bough("pause")
    until(lambda: is_paused(bob, "alice"))
    until(lambda: next(bob.home.glob("**/pauses.json"), None) is not None)
    alice.ends()
    bob.is_killed()
    assert teammate(bob, "alice")["sharing_paused_at"] > 0 and not teammate(bob, "alice")["connected"]
    assert "alice has paused sharing, " in bob.bough("status")
    alice.bough("resume")
    until(lambda: teammate(bob, "alice")["sharing_paused_at"] == 0)
