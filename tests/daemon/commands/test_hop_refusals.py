"""What a hop waits for, refuses or leaves as it is, and that a failure on the way changes nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.errors import CheckedOutElsewhere, HostilePath, NotPossibleNow, UnknownMember
from bough_daemon.git.objects import FILE, FOLDER, LINK, SUBMODULE, TreeEntry
from bough_daemon.transaction import transaction

from tests.daemon.commands.hops import assert_back_and_undo_lead_home, enter, leave
from tests.daemon.moves_support import Desk, everything, git
from tests.daemon.support import make_repository, write_files


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
    git(here.root, "update-index", "--force-remove", "d/b.txt")
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
