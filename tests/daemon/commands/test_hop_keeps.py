"""What Git is told of a working tree stays over a hop: rules, hooks, sparse checkouts, worktrees, permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from bough_daemon.api.progress import HookFailed, HookSkipped
from bough_daemon.commands.merge import merge
from bough_daemon.commands.undo import undo
from bough_daemon.git.objects import EXECUTABLE, TreeEntry

from tests.daemon.commands.hops import assert_back_and_undo_lead_home, enter, leave
from tests.daemon.moves_support import Desk, everything, git, merge_both, tree_on_disk
from tests.daemon.support import write_files


def test_files_that_only_her_rules_show_stay(here: Desk) -> None:
    write_files(here.root, {"keep.o": b"mine"})
    before = everything(here.root)
    here.teammate_at("alice", {".gitignore": b"nothing\n"})
    enter(here)
    assert git(here.root, "status", "--porcelain").endswith("?? keep.o")
    leave(here)
    assert everything(here.root) == before


def test_a_file_of_hers_that_rules_ignore_is_not_lost_from_the_branch(here: Desk) -> None:
    before = everything(here.root)
    tip = here.teammate_at("alice", {"forced.o": b"hers\n"})
    enter(here)
    assert tree_on_disk(here.root) == here.store.objects.commit(tip).tree
    leave(here)
    assert everything(here.root) == before
    enter(here)
    git(here.root, "reset", "-q")
    leave(here)
    assert everything(here.root) == before


def test_what_git_is_told_to_overlook_stays_overlooked(here: Desk) -> None:
    git(here.root, "update-index", "--assume-unchanged", "a.txt")
    git(here.root, "update-index", "--skip-worktree", "d/b.txt")
    write_files(here.root, {"a.txt": b"local secret\n", "d/b.txt": b"local too\n"})
    before = everything(here.root)
    here.teammate_at("alice", {"a.txt": b"hers\n", "n.txt": b"n\n"})
    enter(here)
    assert (here.root / "a.txt").read_bytes() == b"local secret\n"
    assert sorted(line[0] for line in git(here.root, "ls-files", "-v", "a.txt", "d/b.txt").splitlines()) == ["S", "h"]
    leave(here)
    assert everything(here.root) == before


def test_the_post_checkout_hook_runs_and_a_failing_one_is_told(here: Desk) -> None:
    hook = here.root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "$@" >> "$(git rev-parse --git-dir)/ran"\nexit 3\n')
    hook.chmod(0o755)
    here.teammate_at("alice", {"n.txt": b"n\n"})
    head = git(here.root, "rev-parse", "HEAD")
    enter(here)
    assert (here.root / ".git/ran").read_text() == f"{head} {head} 1\n"
    assert here.terminal.told == [HookFailed("post-checkout", "")]


def test_a_hook_that_she_sent_does_not_run(here: Desk) -> None:
    git(here.root, "config", "core.hooksPath", "tools/hooks")
    write_files(here.root, {"tools/hooks/post-checkout": b'#!/bin/sh\necho mine >> "$(git rev-parse --git-dir)/ran"\n'})
    (here.root / "tools/hooks/post-checkout").chmod(0o755)
    hers = here.store.objects.write_blob(b'#!/bin/sh\necho hers >> "$(git rev-parse --git-dir)/ran"\n')
    here.teammate_with("alice", {"tools/hooks/post-checkout": TreeEntry(EXECUTABLE, hers)})
    enter(here)
    assert not (here.root / ".git/ran").exists()
    (skipped,) = here.terminal.told
    assert isinstance(skipped, HookSkipped)
    assert (skipped.hook, skipped.by, skipped.paths) == ("post-checkout", "alice", ["tools/hooks/post-checkout"])
    leave(here)
    assert (here.root / ".git/ran").read_text() == "mine\n"


@pytest.mark.parametrize("sparse_index", ["false", "true"])
def test_a_sparse_checkout_hops_and_stays_sparse(here: Desk, sparse_index: str) -> None:
    git(here.root, "-c", f"index.sparse={sparse_index}", "sparse-checkout", "set", "--cone", "other")
    git(here.root, "config", "index.sparse", sparse_index)
    assert not (here.root / "d").exists()
    before = everything(here.root)
    here.teammate_at("alice", {"d/b.txt": b"hers\n", "other/n.txt": b"n\n", "a.txt": b"hers\n"})
    enter(here)
    assert not (here.root / "d").exists()
    assert git(here.root, "status", "--porcelain") == "M a.txt\nM  d/b.txt\n?? other/"
    leave(here)
    assert everything(here.root) == before


def test_what_a_teammate_committed_outside_of_a_sparse_checkout_stays_out_of_it(here: Desk) -> None:
    git(here.root, "switch", "-qc", "hers")
    write_files(here.root, {"z/new.txt": b"hers\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "hers")
    git(here.root, "switch", "-q", "main")
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"d/b.txt": b"hers\n"}, base="hers")
    before = everything(here.root)
    enter(here)
    assert not (here.root / "z").exists() and git(here.root, "status", "--porcelain") == "M d/b.txt"
    leave(here)
    assert everything(here.root) == before


def test_what_a_sparse_checkout_leaves_out_is_not_there_after_coming_home(here: Desk) -> None:
    write_files(here.root, {"out/x": b"x\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "out")
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"d/n.txt": b"n\n"}, base="HEAD~1")
    assert_back_and_undo_lead_home(here)


def test_what_i_ignore_and_a_teammate_has_is_recorded_also_outside_of_a_sparse_checkout(here: Desk) -> None:
    git(here.root, "sparse-checkout", "set", "d")
    theirs = here.teammate_at("alice", {"out/x.o": b"hers\n"})
    before = everything(here.root)
    enter(here)
    assert not (here.root / "out").exists()
    assert here.snapshot().tree == here.store.objects.commit(theirs).tree
    leave(here)
    assert everything(here.root) == before


def test_a_filter_that_cannot_make_what_a_sparse_checkout_leaves_out_keeps_nobody(here: Desk) -> None:
    write_files(here.root, {".gitattributes": b"*.bin filter=broken\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "rules")
    git(here.root, "config", "filter.broken.smudge", "false")
    git(here.root, "config", "filter.broken.clean", "cat")
    git(here.root, "config", "filter.broken.required", "true")
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"d/n.txt": b"n\n", "out/new.bin": b"theirs\n"})
    assert_back_and_undo_lead_home(here)


def test_an_edit_outside_of_a_sparse_checkout_does_not_keep_me_from_hopping(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\n", "d/e/c.txt": b"edited\n"})
    git(here.root, "sparse-checkout", "set", "other")
    here.teammate_at("alice", {"other/n.txt": b"n\n"})
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before


def test_switch_minus_knows_where_a_hop_came_from(here: Desk) -> None:
    here.teammate_at("alice", {"n.txt": b"n\n"})
    enter(here)
    git(here.root, "switch", "-q", "-")
    assert git(here.root, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_a_linked_worktree_hops_alone(here: Desk, tmp_path: Path) -> None:
    git(here.root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    here.close()
    linked = Desk(tmp_path / "linked", "me+linked")
    try:
        linked.teammate_at("alice", {"n.txt": b"n\n"})
        main, before = everything(here.root), everything(linked.root)
        enter(linked)
        assert (linked.root / "n.txt").exists()
        leave(linked)
        assert everything(linked.root) == before
        assert everything(here.root) == main
    finally:
        linked.close()


def test_a_split_index_comes_back(here: Desk) -> None:
    git(here.root, "update-index", "--split-index")
    write_files(here.root, {"s.txt": b"s\n"})
    git(here.root, "add", "s.txt")
    before = everything(here.root)
    here.teammate_at("alice", {"n.txt": b"n\n"})
    enter(here)
    for shared in (here.root / ".git").glob("sharedindex.*"):
        shared.unlink()
    leave(here)
    assert everything(here.root) == before
    assert "s.txt" in git(here.root, "ls-files")


def test_a_private_folder_stays_private(here: Desk) -> None:
    write_files(here.root, {"private/key.txt": b"k\n"})
    (here.root / "private").chmod(0o700)
    here.teammate_at("alice", {"n.txt": b"n\n"})
    enter(here)
    assert not (here.root / "private").exists()
    leave(here)
    assert stat.S_IMODE((here.root / "private").stat().st_mode) == 0o700


def test_line_ends_that_were_committed_before_the_rules_are_no_obstacle(here: Desk) -> None:
    write_files(here.root, {"old.txt": b"one\r\ntwo\r\n"})
    git(here.root, "add", "old.txt")
    write_files(here.root, {".gitattributes": b"* text=auto\n"})
    git(here.root, "add", ".gitattributes")
    git(here.root, "commit", "-qm", "rules")
    here.teammate_at("alice", {"old.txt": b"one\r\ntwo\r\nthree\r\n"})
    before = everything(here.root)
    enter(here)
    assert (here.root / "old.txt").read_bytes() == b"one\r\ntwo\r\nthree\r\n"
    leave(here)
    assert everything(here.root) == before


def test_her_rules_do_not_make_the_bytes_of_my_files(here: Desk) -> None:
    here.teammate_at("alice", {".gitattributes": b"* text eol=crlf\n", "a.txt": None, "d/b.txt": b"hers\n"})
    before = everything(here.root)
    enter(here)
    assert (here.root / "d/b.txt").read_bytes() == b"hers\r\n"
    leave(here)
    assert everything(here.root) == before


def racing_edit(root: Path, name: str, data: bytes) -> None:
    """Leave a file that only its content tells from the index: edited in the second in which that was written."""
    path, index = root / name, root / ".git/index"
    second = (index.stat().st_mtime_ns // 10**9 - 10) * 10**9
    os.utime(path, ns=(second, second))
    git(root, "update-index", "--refresh", "-q")
    os.utime(index, ns=(second, second))
    path.write_bytes(data)
    os.utime(path, ns=(second, second))


@pytest.mark.parametrize("way", ["back", "undo", "merge"])
def test_an_edit_within_the_second_of_the_index_is_seen_afterwards(here: Desk, way: str) -> None:
    git(here.root, "config", "core.trustctime", "false")  # the times of change cannot be set
    racing_edit(here.root, "d/b.txt", b"B\n")
    assert git(here.root, "diff-files", "--name-only") == "d/b.txt"
    here.teammate_at("alice", {"a.txt": b"hers\n", "d/b.txt": b"B\n", "n.o": b"ignored here\n"})
    if way == "merge":
        here.do(merge(here.live, here.terminal, "alice", merge_both))
    else:
        enter(here)
        leave(here) if way == "back" else here.do(undo(here.live))
    assert "d/b.txt" in git(here.root, "diff-files", "--name-only").splitlines()


def test_permissions_that_no_tree_tells_come_back(here: Desk) -> None:
    git(here.root, "config", "core.fileMode", "false")
    (here.root / "a.txt").chmod(0o755)
    write_files(here.root, {"private.txt": b"mine\n"})
    (here.root / "private.txt").chmod(0o640)
    here.teammate_at("alice", {"a.txt": b"hers\n", "private.txt": b"hers\n"})
    enter(here)
    leave(here)
    assert stat.S_IMODE((here.root / "a.txt").stat().st_mode) == 0o755
    assert stat.S_IMODE((here.root / "private.txt").stat().st_mode) == 0o640
