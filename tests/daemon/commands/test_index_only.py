"""Where Git does not look at files, the index records what a command brings: the next snapshot takes nothing away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import undo
from bough_daemon.errors import ConflictUnseen
from bough_daemon.git.index import left_out

from tests.daemon.crew import Mate
from tests.daemon.moves_support import check_whole, everything, git, merge_both
from tests.daemon.support import write_files

THEIRS = {"d/c.txt": b"alice1\n", "d/new.txt": b"alice2\n", "d/\xfc mlaut.txt": b"alice3\n", "top.txt": b"alice4\n"}


def narrow(mate: Mate) -> None:
    """Check out the top folder only."""
    git(mate.root, "sparse-checkout", "set", "nothing")
    assert not (mate.root / "d").exists()


def narrow_by_patterns(mate: Mate) -> None:
    git(mate.root, "sparse-checkout", "set", "--no-cone", "/*", "!/d/")
    assert not (mate.root / "d").exists()


def narrow_with_sparse_index(mate: Mate) -> None:
    git(mate.root, "sparse-checkout", "set", "--cone", "--sparse-index", "nothing")


def mark(mate: Mate) -> None:
    """Keep a version of a file that Git is told not to look at."""
    git(mate.root, "update-index", "--skip-worktree", "d/c.txt")
    write_files(mate.root, {"d/c.txt": b"for this machine\n"})


NARROW = [narrow, narrow_by_patterns, narrow_with_sparse_index]


@pytest.mark.parametrize("leave_out", [*NARROW, mark])
def test_what_a_merge_brings_there_stays_and_lands(crew: dict[str, Mate], leave_out: Callable[[Mate], None]) -> None:
    alice, bob = crew.values()
    write_files(alice.root, THEIRS)
    (alice.root / "e.txt").unlink()
    alice.snapshot()
    leave_out(bob)
    on_disk, before = (bob.root / "d").exists(), everything(bob.root)
    merged = bob.merge("alice")
    assert merged.result == "clean" and bob.snapshot().tree == merged.tree
    assert (bob.root / "top.txt").read_bytes() == b"alice4\n"
    if on_disk:
        assert (bob.root / "d/c.txt").read_bytes() == b"for this machine\n"
    else:
        assert not (bob.root / "d").exists()
    assert bob.merge("alice").result == "same"
    check_whole(bob.root)
    bob.do(undo(bob.live))
    assert everything(bob.root) == before
    bob.merge("alice")
    landed = bob.land()
    tree = git(bob.root, "rev-parse", f"{landed.commit}^{{tree}}")
    assert {path: bob.at_tree(tree).get(path) for path in THEIRS} == THEIRS
    assert bob.snapshot().tree == tree
    assert git(bob.root, "status", "--porcelain") == "" and on_disk == (bob.root / "d").exists()
    check_whole(bob.root)


@pytest.mark.parametrize("leave_out", [*NARROW, mark])
def test_a_guest_does_not_take_away_what_they_do_not_see(
    crew: dict[str, Mate], leave_out: Callable[[Mate], None]
) -> None:
    alice, bob = crew.values()
    write_files(alice.root, THEIRS)
    (alice.root / "d/c.txt").write_bytes(b"alice5\n")
    theirs = alice.snapshot()
    leave_out(bob)
    before, on_disk = everything(bob.root), (bob.root / "d").exists()
    bob.snapshot()
    bob.do(hop(bob.live, bob.terminal, "alice", merge_both))
    assert bob.snapshot().tree == theirs.tree and on_disk == (bob.root / "d").exists()
    write_files(bob.root, {"a.txt": b"bob1\n"})
    bob.snapshot()
    alice.merge("bob")
    assert alice.files() == bob.at_tree(theirs.tree) | {"a.txt": b"bob1\n"}
    check_whole(bob.root)
    write_files(bob.root, {"a.txt": bob.at_tree(theirs.tree)["a.txt"]})
    bob.do(back(bob.live, bob.terminal))
    assert everything(bob.root) == before


@pytest.mark.parametrize("leave_out", NARROW)
def test_what_is_restored_there_is_in_the_next_snapshot(
    crew: dict[str, Mate], leave_out: Callable[[Mate], None]
) -> None:
    _, bob = crew.values()
    first = bob.snapshot()
    write_files(bob.root, {"d/c.txt": b"bob1\n"})
    bob.snapshot()
    git(bob.root, "add", "d/c.txt")
    leave_out(bob)
    bob.do(restore(bob.live, ["d/c.txt"]))
    assert bob.snapshot().tree == first.tree and not (bob.root / "d").exists()
    check_whole(bob.root)


def test_a_conflict_there_is_refused_and_nothing_changes(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    write_files(alice.root, {"d/c.txt": b"alice1\n", "a.txt": b"alice2\n"})
    alice.snapshot()
    write_files(bob.root, {"d/c.txt": b"bob1\n"})
    git(bob.root, "commit", "-qam", "mine")
    narrow(bob)
    before = everything(bob.root)
    with pytest.raises(ConflictUnseen, match=r"d/c\.txt conflicts"):
        bob.merge("alice")
    assert everything(bob.root) == before
    git(bob.root, "sparse-checkout", "add", "d")
    assert bob.merge("alice").conflicts == ["d/c.txt"]


@pytest.mark.parametrize("leave_out", NARROW)
def test_new_paths_that_a_sparse_checkout_leaves_out_are_found(
    crew: dict[str, Mate], leave_out: Callable[[Mate], None]
) -> None:
    _, bob = crew.values()
    leave_out(bob)
    before = everything(bob.root)
    assert left_out(bob.worktree, ["d/x", "d/e/y", "x", "d.txt"]) == {"d/x", "d/e/y"}
    assert left_out(bob.worktree, []) == frozenset()
    assert everything(bob.root) == before
