"""Old snapshots grow fewer on one machine, and everything goes on for the whole team."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

from bough_daemon.api.keep_ages import USUAL, KeepAges
from bough_daemon.control.maintenance import data_folders
from bough_daemon.history.branches import Branch
from bough_daemon.home import Home
from bough_daemon.retention.starting_over import may_start_over
from bough_daemon.retention.thinning import ThinningPlan
from bough_daemon.store.store import Store

from tests.cli.conftest import Member
from tests.cli.test_purge import check_store, saved, store_of
from tests.cli.test_two_members import join
from tests.daemon.retention.histories import planned
from tests.daemon.support import git, write_files

DAY = 24 * 3600.0


def grows_old(member: Member, days: float) -> ThinningPlan | None:
    """Do, while a member's daemon is away, what it does in days: begin the history again, and plan what goes."""
    member.bough("config", "set", "store.keep", USUAL)
    member.ends()
    store = Store(str(member.tree / ".git"), str(member.home))
    try:
        branch, now = Branch(store, member.name, f"{member.name} <{member.name}@example.org>"), time.time() + days * DAY
        assert branch.tip is not None
        if may_start_over(store, member.name, branch.tip, now, 1):
            branch.start_over(branch.tip.oid)
            branch.save(branch.tip.tree, branch.tip.base)
        folders = data_folders(Home(str(member.home), str(member.home)))
        return planned(store, folders, KeepAges(), now)
    finally:
        store.close()


def works(member: Member, saves: int, committed: bool = True) -> None:
    """Save a file again and again, and commit it."""
    for number in range(saves):
        write_files(member.tree, {"src/b.py": b"def b():\n    return %d\n" % number, "n.txt": b"%d\n" % number})
        member.bough("save")
    if committed:
        member.git("add", "-A")
        member.git("commit", "-qm", f"{saves} saves")
        member.bough("save")


def log(member: Member) -> list[str]:
    """Return the snapshots that `bough log` lists."""
    return [json.loads(line)["tip"] for line in member.bough("log", "--json", "-n", "1000").splitlines()]


def test_a_teammate_and_a_newcomer_notice_nothing_of_what_has_gone(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    works(alice, 12)
    alice.bough("save", "--wait", "bob")
    plan = grows_old(alice, 2.0)
    assert plan is not None and len(plan.dropped) >= 8
    saved(alice, {"a.txt": b"one\ntwo\nthree\nfour\n"}, bob)
    check_store(alice)
    objects = git(store_of(alice), "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert not set(plan.gone) & set(objects)

    # Bob, who has all of it, goes on with what Alice has.
    write_files(bob.tree, {"bob.txt": b"from bob\n"})
    assert bob.told("merge", "alice")["result"] == "clean"
    assert (bob.tree / "n.txt").read_bytes() == b"11\n"
    bob.bough("save", "--wait", "alice")
    assert alice.told("merge", "bob")["result"] == "clean"
    assert (alice.tree / "bob.txt").read_bytes() == b"from bob\n"
    bob.bough("hop", "alice")
    assert (bob.tree / "a.txt").read_bytes() == b"one\ntwo\nthree\nfour\n"
    bob.bough("back")
    alice.bough("undo")
    assert not (alice.tree / "bob.txt").exists()
    alice.bough("redo")
    alice.bough("save", "--wait", "bob")

    # A newcomer has never seen what has gone.
    carol = members("carol")
    join(alice, carol)
    saved(alice, {"carol.txt": b"hello\n"}, carol)
    assert carol.told("merge", "alice")["result"] == "clean"
    assert (carol.tree / "carol.txt").read_bytes() == b"hello\n"
    carol.bough("save", "--wait", "alice")
    for member in (alice, bob, carol):
        check_store(member)
        member.git("fsck", "--full", "--strict", "--no-dangling")


def test_the_timeline_leads_across_what_has_gone(alice: Member) -> None:
    alice.bough("up")
    works(alice, 6)
    write_files(alice.tree, {"n.txt": b"a phrase to be found\n"})
    alice.bough("save")
    alice.bough("restore", "n.txt")
    works(alice, 7)
    before = log(alice)
    plan = grows_old(alice, 2.0)
    assert plan is not None
    alice.bough("up")
    left = [oid for oid in before if oid not in plan.dropped]
    assert log(alice)[1:] == left and len(left) < len(before)
    assert "a phrase to be found" in alice.bough("find", "a phrase to be found")
    # What a snapshot shows has changed since the next older one that is kept, and that one is its parent.
    for newer, older in pairwise(left):
        named = alice.bough("git", "log", "-1", "--format=%P", newer).split()
        assert not named or older in named or older == log_previous(alice, newer)
    assert "n.txt" in alice.bough("git", "log", "-1", "-p", left[1])
    alice.bough("restore", "n.txt", "--from", left[-2])
    alice.bough("undo")
    alice.bough("undo")  # what was done before any of it has gone
    works(alice, 2, committed=False)
    check_store(alice)


def log_previous(member: Member, snapshot: str) -> str:
    """Return the snapshot before one that starts a history."""
    return member.bough("git", "log", "-1", "--format=%(trailers:key=Bough-Previous,valueonly)", snapshot).strip()


def test_a_daemon_that_is_killed_after_planning_loses_nothing(alice: Member) -> None:
    alice.bough("up")
    works(alice, 8)
    assert grows_old(alice, 2.0) is not None
    alice.bough("up")
    write_files(alice.tree, {"n.txt": b"last\n"})
    alice.bough("save")
    alice.is_killed()
    alice.bough("up")
    check_store(alice)
    assert alice.told("status")["state"] == "live"


def test_how_long_snapshots_are_kept_can_be_set(alice: Member) -> None:
    alice.bough("config", "set", "store.keep", "everything")
    assert "everything" in alice.bough("config", "get", "store.keep")
    typed = alice.types("config", "set", "store.keep", "for ever")
    assert typed.code == 2 and "all 1h, minutes 1d" in typed.err
