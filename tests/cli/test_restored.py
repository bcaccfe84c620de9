"""A member whose disk is put back to what a backup has, as they and their teammate see it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.support import write_files


def test_what_a_restored_machine_has_lost_comes_back_from_teammates(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    alice.ends()
    backup = tmp_path / "backup"
    places = {alice.tree: backup / "tree", alice.home: backup / "home"}
    for place, copy in places.items():
        shutil.copytree(place, copy, symlinks=True)

    write_files(alice.tree, {"a.txt": b"one\ntwo\nthree\nfour\n"})
    alice.bough("save", "--wait", "bob")
    (lost,) = (one["tip"] for one in bob.told("status")["teammates"])
    alice.ends()
    for place, copy in places.items():
        shutil.rmtree(place)
        shutil.copytree(copy, place, symlinks=True)
    write_files(alice.tree, {"since.txt": b"since\n"})
    alice.bough("save")

    aside = f"alice@{lost[:10]}"
    until(
        lambda: all(any(aside == one.get("branch") for one in each.told("status")["notices"]) for each in (alice, bob))
    )
    assert "a restored backup?" in alice.bough("status") and "not in alice's branch" in bob.bough("status")
    assert lost[:7] in alice.bough("log", aside)
    assert "four" in bob.bough("git", "show", f"{aside}:a.txt")
    assert "kept aside" in alice.types("doctor").out

    assert "four" not in (bob.tree / "a.txt").read_text()
    bob.bough("restore", "--name", aside, "a.txt")
    assert "four" in (bob.tree / "a.txt").read_text()
    bob.bough("undo")
    alice.bough("hop", aside)
    assert "four" in (alice.tree / "a.txt").read_text()
    alice.bough("back")
    alice.bough("merge", aside)
    assert (alice.tree / "a.txt").read_bytes().endswith(b"four\n")
    assert (alice.tree / "since.txt").read_bytes() == b"since\n"
    alice.bough("save", "--wait", "bob")
    for each in (alice, bob):
        until(lambda: not each.told("status")["notices"])


def test_who_moves_head_while_a_teammate_is_away_has_lost_nothing(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    for name in ("one", "two"):
        write_files(bob.tree, {f"{name}.txt": b"committed\n"})
        bob.git("add", f"{name}.txt")
        bob.git("commit", "-q", "-m", name)
    write_files(bob.tree, {"b.txt": b"seen\n"})
    bob.bough("save", "--wait", "alice")
    alice.ends()
    for number in range(3):
        write_files(bob.tree, {"b.txt": b"away %d\n" % number})
        bob.bough("save")
    for commands in (
        ["stash", "-q", "-u"],
        ["reset", "-q", "--hard", "HEAD~1"],
        ["switch", "-q", "--detach", "HEAD~1"],
    ):
        bob.git(*commands)
        bob.bough("save")
    write_files(bob.tree, {"c.txt": b"new\n"})
    bob.bough("save")
    alice.bough("up")
    bob.bough("save", "--wait", "alice")
    assert alice.told("status")["notices"] == []
