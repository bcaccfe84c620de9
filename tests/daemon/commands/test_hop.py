"""Into a teammate's branch and home again."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.commands.hop import Moved, back, hop, hop_now, off
from bough_daemon.commands.merge import merge
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import undo
from bough_daemon.errors import BadUsage, CheckedOutElsewhere, HostilePath, NotPossibleNow, UnknownMember
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, TreeEntry
from bough_daemon.transaction import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.moves_support import FILES, Desk, check_whole, desk, everything, git, merge_both, tree_on_disk
from tests.daemon.support import make_repository, write_files


def enter(here: Desk, name: str = "alice") -> None:
    here.do(hop(here.live, here.terminal, name, merge_both))


def leave(here: Desk) -> str | None:
    return here.do(back(here.live, here.terminal)).commits


def assert_back_and_undo_lead_home(here: Desk) -> None:
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before
    enter(here)
    here.do(undo(here.live))
    assert everything(here.root) == before


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
    assert any("ended the hop to alice" in said for said in here.terminal.said)
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


def in_folder(here: Desk, inside: str) -> None:
    """Type what follows in a folder of the working tree."""
    here.live = replace(here.live, cwd=str(here.root / inside))


def test_the_folder_that_the_user_is_in_stays(here: Desk) -> None:
    here.teammate_at("alice", {"d/b.txt": None, "d/e/c.txt": None})
    write_files(here.root, {"mine/deep/x.txt": b"x\n", "mine/y.txt": b"y\n"})
    for inside in ("mine/deep", "mine", "d/e", ""):
        in_folder(here, inside)
        before, number = everything(here.root), (here.root / inside).stat().st_ino
        enter(here)
        assert (here.root / inside).stat().st_ino == number
        assert not (here.root / ("mine" if inside.startswith("d") else "d")).exists()
        leave(here)
        assert (here.root / inside).stat().st_ino == number and everything(here.root) == before


def test_a_file_does_not_come_to_where_the_user_is(here: Desk) -> None:
    here.teammate_at("alice", {"d": b"a file\n"})
    in_folder(here, "d/e")
    before = everything(here.root)
    with pytest.raises(NotPossibleNow, match="you are in that folder"):
        enter(here)
    assert everything(here.root) == before
    in_folder(here, "")
    enter(here)
    assert (here.root / "d").read_bytes() == b"a file\n"


def test_a_folder_reached_by_a_link_or_outside_is_no_matter(here: Desk, tmp_path: Path) -> None:
    here.teammate_at("alice", {"d/b.txt": None, "d/e/c.txt": None})
    (tmp_path / "link").symlink_to(here.root / "d/e")
    here.live = replace(here.live, cwd=str(tmp_path / "link"))
    enter(here)
    assert (here.root / "d/e").is_dir()
    leave(here)
    here.live = replace(here.live, cwd=str(tmp_path))
    enter(here)
    assert not (here.root / "d").exists()


@pytest.mark.parametrize("state", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"])
def test_a_hop_waits_until_git_is_done(here: Desk, state: str) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    (here.root / ".git" / state).write_text("")
    with pytest.raises(NotPossibleNow):
        enter(here)


def test_a_hop_refuses_open_conflicts_a_lock_and_strangers(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    (here.root / ".git/index.lock").write_text("git's own")
    before = everything(here.root)
    with pytest.raises(NotPossibleNow, match=r"index\.lock"):
        enter(here)
    (here.root / ".git/index.lock").unlink()
    with pytest.raises(UnknownMember):
        enter(here, "nobody")
    assert everything(here.root) == before
    blob = git(here.root, "hash-object", "-w", "a.txt")
    git(here.root, "update-index", "--index-info", stdin=f"100644 {blob} 1\tq\n100644 {blob} 2\tq\n".encode())
    with pytest.raises(NotPossibleNow, match="conflicts"):
        enter(here)


@pytest.mark.parametrize("broken", ["move_refs", "move_head", "put_index", "record"])
def test_whatever_fails_on_the_way_all_is_as_before(here: Desk, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    write_files(here.root, {"m.txt": b"m\n"})
    enter(here)
    git(here.root, "commit", "-q", "--allow-empty", "-m", "made there")
    before, refs = everything(here.root), git(here.root, "for-each-ref")
    tip = here.snapshot()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk on fire")

    with monkeypatch.context() as patch:
        if broken == "record":
            patch.setattr(
                here.branch,
                "record",
                lambda *a, **k: fail() if "onto" in k else type(here.branch).record(here.branch, *a, **k),
            )
        elif broken == "put_index":
            patch.setattr("bough_daemon.git.index.restore_shared", fail)
            patch.setattr("bough_daemon.git.index.Lock.replace", lambda *_: fail())
        else:
            real = getattr(transaction, broken)
            patch.setattr(transaction, broken, lambda *a: real(*a) if a[-1] == transaction.TAKEN_BACK else fail())
        with pytest.raises(OSError, match="fire"):
            leave(here)
    assert (everything(here.root), git(here.root, "for-each-ref")) == (before, refs)
    assert here.branch.tip == tip
    assert leave(here) == "hop/alice"


def test_back_refuses_while_the_branch_is_checked_out_elsewhere(here: Desk, tmp_path: Path) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    git(here.root, "worktree", "add", "-q", str(tmp_path / "other"), "main")
    with pytest.raises(CheckedOutElsewhere):
        leave(here)


@pytest.mark.parametrize(
    "path", [".git/hooks/post-checkout", "..", ".GIT/config", "git~1/config", ".g\u200cit/x", "x/../y"]
)
def test_a_path_that_git_refuses_is_refused_before_anything_is_touched(here: Desk, path: str) -> None:
    objects = here.store.objects
    entry = TreeEntry(FILE, objects.write_blob(b"#!/bin/sh\n"))
    for part in reversed(path.split("/")):
        entry = TreeEntry(FOLDER, objects.write_tree({part: entry}))
    commit = git(here.root, "rev-parse", "HEAD")
    hostile = objects.write_tree({**objects.tree(objects.commit(commit).tree), **objects.tree(entry.oid)})
    from bough_daemon.history.branches import Branch

    Branch(here.store, "mallory", "M <m@example.org>").save(hostile, commit)
    before = everything(here.root)
    with pytest.raises(HostilePath):
        enter(here, "mallory")
    assert everything(here.root) == before


def test_nothing_is_written_through_a_symlink(here: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (here.root / "out.o").symlink_to(outside)
    before = everything(here.root)
    objects = here.store.objects
    here.teammate_at("alice", {"out.o/evil": b"evil\n"})
    enter(here)
    assert list(outside.iterdir()) == []
    assert (here.root / "out.o/evil").read_bytes() == b"evil\n"
    leave(here)
    assert everything(here.root) == before
    here.teammate_with("bob", {"d": TreeEntry(LINK, objects.write_blob(os.fsencode(outside)))})
    here.teammate_at("bob", {"d/evil": b"evil\n"})
    enter(here, "bob")
    assert list(outside.iterdir()) == []


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
    assert any("post-checkout" in said for said in here.terminal.said)


def test_a_hook_that_she_sent_does_not_run(here: Desk) -> None:
    git(here.root, "config", "core.hooksPath", "tools/hooks")
    write_files(here.root, {"tools/hooks/post-checkout": b'#!/bin/sh\necho mine >> "$(git rev-parse --git-dir)/ran"\n'})
    (here.root / "tools/hooks/post-checkout").chmod(0o755)
    hers = here.store.objects.write_blob(b'#!/bin/sh\necho hers >> "$(git rev-parse --git-dir)/ran"\n')
    here.teammate_with("alice", {"tools/hooks/post-checkout": TreeEntry(EXECUTABLE, hers)})
    enter(here)
    assert not (here.root / ".git/ran").exists()
    assert any("alice changed tools/hooks/post-checkout" in said for said in here.terminal.said)
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
    assert git(here.root, "status", "--porcelain") == "M a.txt\n?? other/"
    leave(here)
    assert everything(here.root) == before


def test_a_file_that_is_missing_outside_of_a_sparse_checkout_does_not_keep_me_from_going_home(here: Desk) -> None:
    git(here.root, "switch", "-qc", "hers")
    write_files(here.root, {"z/new.txt": b"hers\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "hers")
    git(here.root, "switch", "-q", "main")
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"d/b.txt": b"hers\n"}, base="hers")
    before = everything(here.root)
    enter(here)
    (here.root / "z/new.txt").unlink()
    leave(here)
    assert everything(here.root) == before


def test_what_a_sparse_checkout_leaves_out_is_not_there_after_coming_home(here: Desk) -> None:
    write_files(here.root, {"out/x": b"x\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "out")
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"d/n.txt": b"n\n"}, base="HEAD~1")
    assert_back_and_undo_lead_home(here)


def test_what_i_ignore_and_she_has_comes_also_outside_of_a_sparse_checkout(here: Desk) -> None:
    git(here.root, "sparse-checkout", "set", "d")
    here.teammate_at("alice", {"out/x.o": b"hers\n"})
    before = everything(here.root)
    enter(here)
    assert (here.root / "out/x.o").exists()
    leave(here)
    assert everything(here.root) == before


def test_an_edit_outside_of_a_sparse_checkout_does_not_keep_me_from_hopping(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\n", "d/e/c.txt": b"edited\n"})
    git(here.root, "sparse-checkout", "set", "other")
    here.teammate_at("alice", {"other/n.txt": b"n\n"})
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before


def test_a_repository_of_mine_where_hers_is_stays_as_it_is(here: Desk) -> None:
    write_files(here.root, {".gitignore": b"*.o\nlib/\n"})
    make_repository(here.root / "lib", {"x.c": b"mine\n"})
    commit = git(here.root / "lib", "rev-parse", "HEAD")
    here.teammate_with("alice", {"lib": TreeEntry(SUBMODULE, commit), ".gitignore": None})
    assert_back_and_undo_lead_home(here)


def test_ignored_files_where_a_submodule_of_hers_is_stay(here: Desk) -> None:
    write_files(here.root, {"lib/x.o": b"mine\n"})
    here.teammate_with("alice", {"lib": TreeEntry(SUBMODULE, "1" * 40)})
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before


def test_a_file_of_hers_where_a_repository_of_mine_is_does_not_come(here: Desk) -> None:
    write_files(here.root, {".gitignore": b"*.o\nlib/\n"})
    make_repository(here.root / "lib/inner", {"x.c": b"mine\n"})
    here.teammate_at("alice", {"lib": b"hers\n", ".gitignore": None})
    before = everything(here.root)
    with pytest.raises(NotPossibleNow, match="lib/inner is a nested Git repository"):
        enter(here)
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


NAMES = ["a.txt", "d/b.txt", "d/e/c.txt", "n", "d/n", "x.o", "d/x.o", "crlf.win", "d", "n/m", "mixed.txt", 'q\n"é ']
CONTENTS = [b"", b"one\n", b"two\ntwo\n", b"cr\r\nlf\n", b"all\r\ncr\r\n", b"\0binary\xff", b"$Id$\n"]
DEEDS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(CONTENTS)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("link"), st.sampled_from(NAMES), st.sampled_from([b"a.txt", b"/etc", b"nowhere"])),
    st.tuples(st.just("chmod"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("stage"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("unstage"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("commit"), st.just("."), st.just(b"")),
)
ATTRIBUTES = b"*.win text eol=crlf\nmixed.txt text\nd/* text=auto\nn ident\n"


def perform(root: Path, deed: tuple[str, str, bytes]) -> None:
    """Do what a user might, as far as it is possible."""
    what, name, content = deed
    path = root / name
    if what in ("write", "link"):
        for above in reversed(path.relative_to(root).parents):
            if (root / above).is_symlink() or (root / above).is_file():
                (root / above).unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            return
        if path.is_symlink() or what == "link":
            path.unlink(missing_ok=True)
        path.symlink_to(os.fsdecode(content)) if what == "link" else path.write_bytes(content)
    elif (not path.is_file() and not path.is_symlink()) or any(
        (root / above).is_symlink() for above in path.relative_to(root).parents
    ):
        return
    elif what == "remove":
        path.unlink()
    elif what == "chmod" and not path.is_symlink():
        path.chmod(0o755 if path.stat().st_mode & 0o100 == 0 else 0o644)
    elif what == "stage":
        git(root, "-c", "core.safecrlf=false", "add", "-f", "--", name)
    elif what == "unstage":
        git(root, "rm", "-q", "--cached", "--ignore-unmatch", "-f", "--", name)
    if what == "commit":
        git(root, "commit", "-q", "--allow-empty", "-m", "in between")


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(DEEDS, max_size=8), st.lists(DEEDS, max_size=6), st.lists(DEEDS, max_size=5))
def test_hop_and_back_is_the_identity(
    mine: list[tuple[str, str, bytes]], hers: list[tuple[str, str, bytes]], there: list[tuple[str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = {**FILES, ".gitattributes": ATTRIBUTES, "crlf.win": b"w\n", "mixed.txt": b"m\n"}
        with desk(Path(folder, "here"), files) as here:
            with tempfile.TemporaryDirectory() as scratch:
                other = Path(scratch, "other")
                git(here.root, "worktree", "add", "-q", "--detach", str(other))
                for deed in hers:
                    perform(other, deed)
                changed = here.store.objects.difference(
                    here.store.objects.commit(git(other, "rev-parse", "HEAD")).tree, tree_on_disk(other)
                )
                tip = here.teammate_with("alice", {path: after for path, _, after in changed})
                git(here.root, "worktree", "remove", "--force", str(other))
            for deed in mine:
                if deed[0] != "commit":
                    perform(here.root, deed)
            before = everything(here.root)
            enter(here)
            check_whole(here.root)
            hers_now = git(here.root, "ls-tree", "-r", "-z", "--name-only", tip, GIT_DIR=here.store.path).split("\0")
            for deed in there:
                if not deed[1].endswith(".o") or deed[1] in hers_now:  # what Git ignores is not recorded
                    perform(here.root, deed)
            git(here.root, "gc", "-q", "--prune=now")
            leave(here)
            assert everything(here.root) == before
            check_whole(here.root)


def test_a_name_in_other_letters_is_guessed(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    with pytest.raises(UnknownMember) as refused:
        enter(here, "Alice")
    assert refused.value.facts["hint"] == "Did you mean alice?"


def edits_of(moved: Moved) -> tuple[str, ...]:
    return moved.edits.paths if moved.edits is not None else ()


def test_back_names_what_i_edited_there_and_have_nowhere_else(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n", "gone.txt": b"hers\n", "same.txt": b"hers\n"})
    write_files(here.root, {"same.txt": b"mine\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"as a guest\n", "n ew.txt": b"new\n", "same.txt": b"mine\n", "hers.txt": b"1"})
    (here.root / "gone.txt").unlink()
    here.teammate_at("alice", {"hers.txt": b"1"})
    there = here.snapshot()
    moved = here.do(back(here.live, here.terminal))
    assert edits_of(moved) == ("a.txt", "n ew.txt")
    assert moved.edits is not None and moved.edits.snapshot == there.oid
    assert moved.edits.command(str(here.root), str(here.root / "d")) == (
        f"bough restore --from {there.oid[:10]} ../a.txt '../n ew.txt'"
    )
    enter(here)
    assert edits_of(here.do(back(here.live, here.terminal))) == ()


def test_what_is_committed_there_is_on_the_branch_that_keeps_it(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"committed\n"})
    git(here.root, "commit", "-q", "-a", "-m", "there")
    write_files(here.root, {"d/b.txt": b"not committed\n"})
    moved = here.do(back(here.live, here.terminal))
    assert (moved.commits, edits_of(moved)) == ("hop/alice", ("d/b.txt",))


def test_a_hop_on_to_somebody_else_names_what_stays_behind(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    here.teammate_at("carol", {"d/b.txt": b"carol's\n"})
    enter(here)
    write_files(here.root, {"d/e/c.txt": b"in alice's\n"})
    here.teammate_at("alice", {"a.txt": b"newer\n"})
    assert edits_of(here.do(hop(here.live, here.terminal, "alice", merge_both))) == ()
    moved = here.do(hop(here.live, here.terminal, "carol", merge_both))
    assert (edits_of(moved), moved.edited_in) == (("d/e/c.txt",), "alice")


def test_off_names_what_was_edited_before_the_hop(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n", "both.txt": b"the same\n"})
    write_files(here.root, {"d/b.txt": b"mine\n", "both.txt": b"the same\n"})
    mine = here.snapshot()
    enter(here)
    moved = here.do(off(here.live, here.terminal, "topic"))
    assert edits_of(moved) == ("d/b.txt",)
    here.do(restore(here.live, edits_of(moved), since=mine.oid[:10]))
    assert (here.root / "d/b.txt").read_bytes() == b"mine\n"


def test_undo_names_what_was_edited_since(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"as a guest\n", "new.txt": b"new\n"})
    assert here.do(undo(here.live)).edits.paths == ("a.txt", "new.txt")
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert (here.root / "a.txt").read_bytes() == b"hers\n"
    write_files(here.root, {"a.txt": b"on top\n", "new.txt": b"stays\n"})
    assert here.do(undo(here.live)).edits.paths == ("a.txt",)
    assert (here.root / "new.txt").read_bytes() == b"stays\n"
