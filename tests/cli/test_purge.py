"""`bough purge`, as those who type it see it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.support import git, write_files

# Of no form that Bough knows as a secret's: those never leave.
TOKEN = b"the pass phrase is correct horse battery staple\n"


def blob(member: Member, data: bytes) -> str:
    return git(member.tree, "hash-object", "--stdin", stdin=data)


def store_of(member: Member) -> Path:
    return member.tree / ".git/bough/store.git"


def has(member: Member, data: bytes) -> bool:
    """Return whether a member's store has a content, in whatever file."""
    objects = git(store_of(member), "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return blob(member, data) in objects.split()


def check_store(member: Member) -> None:
    """Check that nothing in a store is missing.

    It may be in use, and Git's fsck takes what was made or removed meanwhile for missing: then it is asked again.
    """

    def is_whole() -> bool:
        try:
            git(store_of(member), "fsck", "--full", "--strict", "--no-dangling")
        except AssertionError:
            return False
        return True

    until(is_whole, seconds=10.0)


def saved(member: Member, files: dict[str, bytes], holder: Member) -> None:
    """Save some files and wait until a teammate holds the snapshot."""
    write_files(member.tree, files)
    member.bough("save", "--wait", holder.name)


def test_a_committed_token_that_git_has_forgotten_goes_from_every_store_and_no_newcomer_gets_it(
    members: Callable[[str], Member],
) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    write_files(alice.tree, {"tökens/my token.txt": TOKEN})
    alice.git("add", "-A")
    alice.git("commit", "-qm", "oops")
    saved(alice, {"a.txt": b"later\n"}, bob)
    assert has(bob, TOKEN)
    remove = 'git rm -q --cached --ignore-unmatch "tökens/my token.txt"'
    alice.git("stash", "-q")
    alice.git("-c", "core.quotePath=false", "filter-branch", "-f", "--index-filter", remove, "--", "HEAD")
    alice.git("update-ref", "-d", "refs/original/refs/heads/main")
    alice.git("stash", "drop", "-q")
    alice.git("reflog", "expire", "--expire=now", "--all")
    alice.git("gc", "-q", "--prune=now")
    saved(alice, {"a.txt": b"later still\n"}, bob)
    assert has(alice, TOKEN) and has(bob, TOKEN)

    told = alice.told("purge", "tökens/my token.txt", "--yes")
    assert told["done"] and told["contents"] == 1 and told["paths"] == ["tökens/my token.txt"]
    assert not has(alice, TOKEN)
    until(lambda: not has(bob, TOKEN))
    for member in (alice, bob):
        check_store(member)
    until(lambda: all(one["done"] for one in json.loads(alice.bough("purge", "--list", "--json"))["replies"]))
    saved(alice, {"a.txt": b"goes on\n"}, bob)
    tip = alice.told("status")["shared_tip"]
    assert bob.told("status")["teammates"][0]["tip"] == tip
    carol = members("carol")
    join(alice, carol)
    saved(alice, {"a.txt": b"for carol\n"}, carol)
    assert not has(carol, TOKEN)
    assert carol.told("purge", "--list")["by"] == "alice"


def test_a_text_is_read_from_stdin_and_what_is_still_on_disk_is_not_recorded_again(alice: Member) -> None:
    alice.bough("up")
    write_files(alice.tree, {"notes.txt": b"hello\n" + TOKEN, "deep/cöpy\n.txt": TOKEN, "a.txt": b"mine\n"})
    alice.bough("save")
    git_before = alice.git("for-each-ref"), alice.git("status", "--porcelain"), alice.git("count-objects", "-v")
    tip = alice.told("status")["tip"]
    shown = json.loads(alice.bough("purge", "-", "--dry-run", "--json", stdin="correct horse battery\n"))
    assert (shown["contents"], shown["done"], shown["files"]) == (2, False, ["deep/cöpy\n.txt", "notes.txt"])
    assert has(alice, TOKEN) and alice.told("status")["tip"] == tip
    unsure = alice.types("purge", "-", stdin="correct horse battery\n")
    assert unsure.code == 1 and "--yes" in unsure.err and has(alice, TOKEN)

    said = alice.types("purge", "-", "--yes", stdin="correct horse battery\n")
    assert said.code == 0 and "correct horse" not in said.out + said.err
    for _ in range(2):
        assert not has(alice, TOKEN) and not has(alice, b"hello\n" + TOKEN)
        assert (alice.tree / "notes.txt").read_bytes() == b"hello\n" + TOKEN
        withheld = {one["path"]: one["reason"] for one in alice.told("status")["withheld"]}
        assert "neither recorded nor shared" in withheld["notes.txt"] and "deep/cöpy\n.txt" in withheld
        alice.ends()
        write_files(alice.tree, {"another.txt": TOKEN})
        alice.bough("save")
    write_files(alice.tree, {"notes.txt": b"hello\n"})
    alice.bough("save")
    assert has(alice, b"hello\n")
    assert git(store_of(alice), "show", "refs/heads/alice:notes.txt") == "hello"
    with pytest.raises(AssertionError):
        git(store_of(alice), "show", "refs/shared/alice:notes.txt")
    alice.bough("allow", "notes.txt")
    assert git(store_of(alice), "show", "refs/shared/alice:notes.txt") == "hello"
    (alice.tree / "another.txt").unlink()
    (alice.tree / "deep/cöpy\n.txt").unlink()
    write_files(alice.tree, {"notes.txt": b"hello\n" + TOKEN})
    assert (alice.git("for-each-ref"), alice.git("count-objects", "-v")) == (git_before[0], git_before[2])
    check_store(alice)


def test_what_git_has_is_not_purged_and_the_rest_only_when_asked_for(alice: Member) -> None:
    alice.bough("up")
    write_files(alice.tree, {"config.ini": b"user=me\n"})
    alice.git("add", "-A")
    alice.git("commit", "-qm", "configured")
    write_files(alice.tree, {"config.ini": b"user=me\n" + TOKEN})
    alice.bough("save")
    write_files(alice.tree, {"config.ini": b"user=me\nport=1\n"})
    alice.bough("save")
    refused = alice.types("purge", "config.ini", "--yes")
    assert refused.code == 1 and "Git history" in refused.err and "git filter-repo" in refused.err
    assert alice.git("rev-parse", "--short", "HEAD") in refused.err
    assert has(alice, b"user=me\n" + TOKEN)
    done = alice.told("purge", "--text", "correct horse", "--yes")
    assert done["contents"] == 1 and not has(alice, b"user=me\n" + TOKEN)
    # The snapshot of that moment has the file as HEAD had it: never does it seem to be removed.
    for line in git(store_of(alice), "log", "--format=%H", "refs/heads/alice", "--", "config.ini").split():
        git(store_of(alice), "show", f"{line}:config.ini")
    nothing = alice.types("purge", "no such thing", "--yes")
    assert nothing.code == 1 and "none of your snapshots" in nothing.err


def test_commands_whose_checkpoint_goes_can_no_longer_be_undone_and_the_question_says_so(
    members: Callable[[str], Member],
) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    saved(bob, {"theirs.txt": b"theirs\n"}, alice)
    saved(alice, {"phrase.txt": TOKEN}, bob)
    alice.bough("merge", "bob")
    (alice.tree / "phrase.txt").unlink()
    alice.bough("save")
    saved(bob, {"more.txt": b"more\n"}, alice)
    alice.bough("merge", "bob")
    shown = alice.told("purge", "phrase.txt", "--dry-run")
    assert shown["commands"] == 1 and shown["files"] == []
    alice.bough("purge", "phrase.txt", "--yes")
    check_store(alice)
    alice.bough("undo")
    assert not (alice.tree / "more.txt").exists() and (alice.tree / "theirs.txt").exists()
    assert "no command to undo" in alice.types("undo").err
    alice.bough("hop", "bob")
    alice.bough("back")


def test_what_a_teammate_has_recorded_too_they_are_asked_for(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    saved(alice, {"phrase.txt": TOKEN}, bob)
    bob.bough("merge", "alice")
    saved(bob, {"b.txt": b"mine\n"}, alice)
    told = alice.told("purge", "phrase.txt", "--yes")
    assert told["teammates"] == ["bob"]
    until(lambda: "alice asks to purge 1 content" in bob.bough("status"))
    assert has(bob, TOKEN) and not has(alice, TOKEN)
    until(lambda: "was purged" in str(bob.types("save", "--wait", "alice")))  # once alice has said so
    assert "they have to accept it" in alice.bough("purge", "--list")
    bob.bough("purge", "--accept", "alice", "--yes")
    assert not has(bob, TOKEN) and (bob.tree / "phrase.txt").read_bytes() == TOKEN
    until(lambda: "have to accept it" not in alice.bough("purge", "--list"))
    saved(bob, {"b.txt": b"goes on\n"}, alice)
    until(lambda: alice.told("status")["teammates"][0]["tip"] == bob.told("status")["shared_tip"])
    assert "asks to purge" not in bob.bough("status")
    for member in (alice, bob):
        check_store(member)


def test_who_is_offline_is_asked_when_they_next_connect(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    saved(alice, {"phrase.txt": TOKEN}, bob)
    assert has(bob, TOKEN)
    bob.ends()
    alice.bough("purge", "phrase.txt", "--yes")
    alice.is_killed()
    alice.bough("save")
    assert "○ bob  not told yet" in alice.bough("purge", "--list")
    bob.bough("status")
    until(lambda: not has(bob, TOKEN))
    until(lambda: "● bob  done" in alice.bough("purge", "--list"))


def test_a_purge_in_which_the_daemon_is_killed_is_finished_by_the_next_one(alice: Member) -> None:
    alice.bough("up")
    pending = alice.tree / ".git/bough/purge.json"
    for number in range(3):
        data = TOKEN + b"%d\n" % number
        saved_alone(alice, {"phrase.txt": data})
        (alice.tree / "phrase.txt").unlink()
        alice.bough("save")
        typed = threading.Thread(target=alice.types, args=("purge", "--text", f"staple\n{number}", "--yes"))
        typed.start()
        until(lambda: pending.exists() or not typed.is_alive())
        alice.is_killed()
        typed.join()
        alice.bough("status")
        assert not has(alice, data) and not pending.exists()
        check_store(alice)
    until(lambda: "not told" not in alice.bough("purge", "--list"))


def saved_alone(member: Member, files: dict[str, bytes]) -> None:
    write_files(member.tree, files)
    member.bough("save")
