"""A key that outlives its machine."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join, teammate
from tests.daemon.support import git, remove_tree, write_files

Members = Callable[[str], Member]
WORDS = "correct horse battery\n"


def on_a_new_machine(member: Member, tmp_path: Path) -> Member:
    """Return the same person with an empty home and a new clone."""
    tree = tmp_path / "new machine"
    git(tmp_path, "clone", "-q", str(member.tree), str(tree))
    for key in ("user.name", "user.email"):
        git(tree, "config", key, git(member.tree, "config", key))
    return Member(member.name, tree, tmp_path / "home-new")


def export(member: Member, path: Path) -> str:
    """Export a key and return its fingerprint."""
    said = json.loads(member.bough("key", "export", str(path), "--passphrase-file", "-", "--json", stdin=WORDS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return str(said["fingerprint"])


def test_who_imports_their_key_on_a_new_machine_is_the_same_member(members: Members, tmp_path: Path) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    write_files(alice.tree, {"a.txt": b"of the lost machine\n"})
    alice.bough("save", "--wait", "bob")
    exported = tmp_path / "alice's key"
    assert export(alice, exported) == alice.bough("key", "show")
    again = on_a_new_machine(alice, tmp_path)
    alice.ends()
    lost = tmp_path / "lost"
    os.replace(alice.tree, lost)
    try:
        words = tmp_path / "words"
        words.write_text(WORDS)
        again.bough("key", "import", str(exported), "--passphrase-file", str(words))
        join(bob, again)
        assert again.told("status")["member"] == "alice"
        listed = [json.loads(line) for line in bob.bough("team", "--json").splitlines()]
        assert [one["name"] for one in listed] == ["alice", "bob"]
        write_files(again.tree, {"a.txt": b"of the new machine\n"})
        tip = again.told("save", "--wait", "bob")["shared_tip"]
        assert teammate(bob, "alice")["tip"] == tip
        # What the lost machine had shared is not lost.
        until(lambda: "of the lost machine" in _kept(again))
    finally:
        again.ends()
        remove_tree(lost)


def _kept(member: Member) -> str:
    refs = member.bough("git", "for-each-ref", "--format=%(refname:short)").splitlines()
    return "".join(member.types("git", "show", f"{ref}:a.txt").out for ref in refs if "alice@" in ref)


def test_a_key_that_is_on_two_machines_at_once_is_noticed_on_both(members: Members, tmp_path: Path) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    exported = tmp_path / "key"
    export(alice, exported)
    second = on_a_new_machine(alice, tmp_path)
    try:
        second.bough("key", "import", str(exported), "--passphrase-file", "-", stdin=WORDS)
        join(bob, second)
        for one in (alice, second):
            until(lambda: "another machine is alice too" in one.told("status")["state"])
        before = teammate(bob, "alice")["tip"]
        for number, one in enumerate((alice, second, alice, second)):
            write_files(one.tree, {"a.txt": b"%d\n" % number})
            one.bough("save")
            assert teammate(bob, "alice")["tip"] == before
        join(bob, second, "--as", "alice+two")
        until(lambda: alice.told("status")["state"] == "live" == second.told("status")["state"])
    finally:
        second.ends()


@pytest.mark.lengthy
def test_what_cannot_be_done_with_a_key_is_told_with_the_remedy(members: Members, tmp_path: Path) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    exported = tmp_path / "key"
    export(alice, exported)
    given = ("--passphrase-file", "-")
    for typed, stdin, code, said in (
        (("export", str(exported), *given), WORDS, 1, "already exists"),
        (("export", "here", *given), WORDS, 1, "live working tree"),
        (("export", str(tmp_path / "x"), *given), "short\n", 2, "at least 8 characters"),
        (("export", str(tmp_path / "x")), "", 2, "--passphrase-file FILE"),
        (("export", str(tmp_path / "no" / "x"), *given), WORDS, 1, "there is no folder"),
        (("import", str(exported), *given), WORDS, 1, "bough down --all"),
    ):
        answer = alice.types("key", *typed, stdin=stdin)
        assert answer.code == code and said in answer.err and "Traceback" not in answer.err, answer
    for typed, stdin, code, said in (
        (("import", str(exported), *given), "something else\n", 1, "the passphrase is wrong"),
        (("import", str(alice.tree / "a.txt"), *given), WORDS, 1, "not a key"),
        (("import", str(tmp_path / "none"), *given), WORDS, 1, "cannot be read"),
        (("import", str(tmp_path), *given), WORDS, 1, "cannot be read"),
    ):
        answer = bob.types("key", *typed, stdin=stdin)
        assert answer.code == code and said in answer.err and "Traceback" not in answer.err, answer
    assert not (tmp_path / "x").exists() and not (alice.tree / "here").exists()
    assert not (bob.home / "identity.json").exists()
    mine = bob.bough("key", "show")
    other = bob.types("key", "import", str(exported), *given, stdin=WORDS)
    assert other.code == 1 and mine in other.err and "--yes" in other.err and bob.bough("key", "show") == mine
    taken = bob.types("key", "import", str(exported), *given, "--yes", stdin=WORDS)
    assert taken.code == 0 and mine in taken.err and bob.bough("key", "show") == alice.bough("key", "show"), taken
    shutil.copy(bob.home / f"identity-{mine}.json", bob.home / "identity.json")
    assert bob.bough("key", "show") == mine
