"""Into a teammate's branch and home again."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_daemon.api.progress import HopEnded
from bough_daemon.commands.hop import hop_now, off
from bough_daemon.commands.undo import undo
from bough_daemon.errors import BadUsage, NotPossibleNow, UnknownMember

from tests.daemon.commands.hops import enter, leave
from tests.daemon.moves_support import Desk, check_whole, everything, git, tree_on_disk
from tests.daemon.support import write_files


def test_a_hop_shows_what_it_shows_her(here: Desk) -> None:
    tip = here.teammate_at("alice", {"a.txt": b"hers\n", "new/n.txt": b"n\n", "d/b.txt": None})
    write_files(here.root, {"mine.txt": b"mine\n"})
    enter(here)
    assert tree_on_disk(here.root) == here.store.objects.commit(tip).tree
    assert git(here.root, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert git(here.root, "status", "--porcelain").splitlines() == ["M a.txt", " D d/b.txt", "?? new/"]
    assert here.branch.tip is not None
    assert here.branch.tip.event == "hop alice"
    check_whole(here.root)


def test_the_index_needs_no_reading_of_files_after_a_hop(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    assert git(here.root, "diff-files", "--name-only") == "a.txt"


def test_a_staged_name_may_begin_with_a_colon(here: Desk) -> None:
    write_files(here.root, {":colon": b"staged\n"})
    git(here.root, "add", "-A")
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before


def stage_and_change(root: Path) -> None:
    """Leave one of everything that `git status` knows."""
    write_files(root, {"staged.txt": b"staged\n", "a.txt": b"staged a\n"})
    git(root, "add", "staged.txt", "a.txt")
    write_files(root, {"a.txt": b"unstaged a\n", "untracked.txt": b"u\n", "ignored.o": b"\0obj", "sub/deep/x.o": b"o"})
    git(root, "rm", "-q", "--cached", "d/b.txt")
    write_files(root, {"run.sh": b"#!/bin/sh\n", "later.txt": b"l\n"})
    (root / "run.sh").chmod(0o755)
    (root / "private.txt").write_bytes(b"p")
    (root / "private.txt").chmod(0o600)
    (root / "link").symlink_to("nowhere")
    git(root, "add", "--intent-to-add", "later.txt")


def test_back_restores_every_byte_the_index_and_head(here: Desk) -> None:
    stage_and_change(here.root)
    before = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"hers\n", "ignored.o": b"hers\n", "sub/deep": b"a file\n", "link": b"file\n"})
    enter(here)
    assert (here.root / "ignored.o").read_bytes() == b"hers\n"
    assert (here.root / "sub/deep").read_bytes() == b"a file\n"
    check_whole(here.root)
    assert leave(here) is None
    assert everything(here.root) == before
    check_whole(here.root)


def test_back_restores_after_edits_a_commit_and_a_pruning_gc(here: Desk) -> None:
    stage_and_change(here.root)
    before = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"edited\n", "there.txt": b"t\n"})
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "made in her branch")
    made = git(here.root, "rev-parse", "HEAD")
    write_files(here.root, {"a.txt": b"and more\n", "d/e/c.txt": b"changed too\n"})
    git(here.root, "gc", "-q", "--prune=now")
    assert leave(here) == "hop/alice"
    assert everything(here.root) == before
    assert git(here.root, "rev-parse", "hop/alice") == made
    assert git(here.root, "write-tree", GIT_INDEX_FILE=str(here.root / ".git/index"))
    check_whole(here.root)


def test_a_second_hop_branch_is_numbered_and_a_branch_named_hop_is_no_hindrance(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    for expected in ("hop/alice", "hop/alice-2"):
        enter(here)
        git(here.root, "commit", "-q", "--allow-empty", "-m", expected)
        assert leave(here) == expected
    git(here.root, "branch", "-D", "hop/alice", "hop/alice-2")
    git(here.root, "branch", "hop")
    enter(here)
    git(here.root, "commit", "-q", "--allow-empty", "-m", "again")
    assert leave(here) == "hop-alice"


def test_hop_again_brings_my_edits_to_her_newest_tip(here: Desk) -> None:
    before = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"ONE\ntwo\nthree\nfour\nfive\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"ONE\ntwo\nthree\nfour\nmine\n"})
    git(here.root, "branch", "other")
    here.teammate_at("alice", {"z.txt": b"z\n", "a.txt": b"one!\ntwo\nthree\nfour\nfive\n"})
    enter(here)
    assert (here.root / "a.txt").read_bytes() == b"one!\ntwo\nthree\nfour\nmine\n"
    assert (here.root / "z.txt").exists()
    leave(here)
    assert everything(here.root) == before


def test_hop_again_refuses_where_edits_clash_and_changes_nothing(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"mine\n"})
    here.teammate_at("alice", {"a.txt": b"hers again\n"})
    before = everything(here.root)
    with pytest.raises(NotPossibleNow, match=r"a\.txt"):
        enter(here)
    assert everything(here.root) == before


def test_back_from_a_second_hop_leads_home(here: Desk) -> None:
    stage_and_change(here.root)
    before = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"alice\n"})
    here.teammate_at("bob", {"a.txt": b"bob\n", "bob.txt": b"b\n"})
    enter(here, "alice")
    write_files(here.root, {"w.txt": b"w\n"})
    enter(here, "bob")
    assert not (here.root / "w.txt").exists()
    leave(here)
    assert everything(here.root) == before
    with pytest.raises(NotPossibleNow, match="your own branch"):
        leave(here)


def test_her_base_may_be_another_commit(here: Desk) -> None:
    git(here.root, "switch", "-qc", "feature")
    write_files(here.root, {"f.txt": b"feature\n", "a.txt": b"feature a\n"})
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "feature")
    here.teammate_at("alice", {"g.txt": b"g\n"}, base="feature")
    git(here.root, "switch", "-q", "main")
    git(here.root, "branch", "-qD", "feature")
    before = everything(here.root)
    enter(here)
    assert git(here.root, "status", "--porcelain") == "?? g.txt"
    check_whole(here.root)
    leave(here)
    assert everything(here.root) == before


def test_a_switch_ends_the_hop_and_undo_still_leads_home(here: Desk) -> None:
    write_files(here.root, {"mine.txt": b"m\n"})
    before = everything(here.root)
    here.teammate_at("alice", {"new.txt": b"n\n"})
    enter(here)
    git(here.root, "switch", "-q", "main")
    with pytest.raises(NotPossibleNow):
        leave(here)
    assert here.terminal.told == [HopEnded("alice")]
    assert here.do(undo(here.live)).command == "hop alice"
    assert everything(here.root) == before


def test_off_makes_a_branch_and_ends_the_hop(here: Desk) -> None:
    here.teammate_at("alice", {"new.txt": b"n\n"})
    with pytest.raises(NotPossibleNow):
        here.do(off(here.live, here.terminal, "fresh"))
    enter(here)
    write_files(here.root, {"a.txt": b"edit\n"})
    git(here.root, "add", "a.txt")
    index = (here.root / ".git/index").read_bytes()
    for name, failure in (("main", NotPossibleNow), ("a..b", BadUsage), ("-x", BadUsage)):
        with pytest.raises(failure):
            here.do(off(here.live, here.terminal, name))
    here.do(off(here.live, here.terminal, "fresh"))
    assert git(here.root, "symbolic-ref", "HEAD") == "refs/heads/fresh"
    assert (here.root / ".git/index").read_bytes() == index
    assert hop_now(here.live) is None
    check_whole(here.root)
    here.do(undo(here.live))
    assert hop_now(here.live) is not None
    assert "fresh" not in git(here.root, "branch")


def test_undo_takes_a_hop_and_a_way_back_back(here: Desk) -> None:
    stage_and_change(here.root)
    home = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"there.txt": b"t\n"})
    there = everything(here.root)
    leave(here)
    here.do(undo(here.live))
    assert everything(here.root) == there
    leave(here)
    assert everything(here.root) == home
    here.do(undo(here.live))
    here.do(undo(here.live))
    assert everything(here.root) == home


def test_a_name_in_other_letters_is_guessed(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    with pytest.raises(UnknownMember) as refused:
        enter(here, "Alice")
    assert refused.value.facts["hint"] == "Did you mean alice?"
