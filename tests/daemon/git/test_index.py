"""The user's index: read, made anew, replaced, and what it names."""

from __future__ import annotations

import os

import pytest
from bough_daemon.errors import NotPossibleNow
from bough_daemon.git import index
from bough_daemon.git.objects import FILE, TreeEntry

from tests.daemon.moves_support import Desk, git
from tests.daemon.support import write_files


def test_the_lock_keeps_git_out_and_lets_go(here: Desk) -> None:
    with index.lock(here.worktree), pytest.raises(AssertionError, match=r"index\.lock"):
        git(here.root, "add", "--all", "--force")
    write_files(here.root, {"x": b"x"})
    git(here.root, "add", "x")
    assert not (here.root / ".git/index.lock").exists()


def test_a_lock_that_is_held_is_told_and_left(here: Desk) -> None:
    (here.root / ".git/index.lock").write_bytes(b"")
    with pytest.raises(NotPossibleNow, match=r"index\.lock exists"), index.lock(here.worktree):
        pass
    assert (here.root / ".git/index.lock").read_bytes() == b""
    assert not [name for name in os.listdir(here.root / ".git") if name.startswith(index.SCRATCH)]


def test_the_index_is_replaced_whole_and_keeps_its_permissions(here: Desk) -> None:
    path = here.root / ".git/index"
    path.chmod(0o664)
    with index.lock(here.worktree) as lock:
        lock.replace(b"bytes")
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"bytes", 0o664)
        lock.replace(None)
    assert index.read(here.worktree) is None


def test_an_index_at_a_commit_knows_the_files_as_they_are(here: Desk) -> None:
    first = git(here.root, "rev-parse", "HEAD")
    write_files(here.root, {"a.txt": b"second\n", "new.txt": b"n\n"})
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "second")
    data = index.at_commit(here.worktree, first)
    with index.lock(here.worktree) as lock:
        lock.replace(data)
    assert git(here.root, "diff-index", "--cached", first) == ""
    assert git(here.root, "diff-files", "--name-only") == "a.txt"


def test_conflicts_are_added_and_nothing_else_moves(here: Desk) -> None:
    entry = TreeEntry(FILE, git(here.root, "rev-parse", "HEAD:a.txt"))
    before = git(here.root, "ls-files", "-s", "-t", "--", ":!d/b.txt")
    stages = [index.Stage("d/b.txt", entry, 1), index.Stage("d/b.txt", entry, 3), index.Stage("n\nn", entry, 2)]
    data = index.changed(here.worktree, stages)
    with index.lock(here.worktree) as lock:
        lock.replace(data)
    assert index.unmerged_paths(here.worktree) == ["d/b.txt", "n\nn"]
    assert git(here.root, "ls-files", "-s", "-t", "--", ":!d/b.txt", ":!n*") == before


def test_what_the_index_names_beyond_head_is_all_that_fsck_looks_at(here: Desk) -> None:
    write_files(here.root, {"deep/er/f.txt": b"f\n", "d/b.txt": b"staged\n"})
    git(here.root, "add", "--all")
    git(here.root, "write-tree")  # fills the cache-tree
    blob = git(here.root, "hash-object", "-w", "--stdin", stdin=b"conflict\n")
    git(here.root, "update-index", "--index-info", stdin=f"100644 {blob} 2\tc.txt\n100644 {blob} 3\tc.txt\n".encode())
    git(here.root, "add", "--all")  # resolves it: the index remembers in its resolve-undo
    git(here.root, "write-tree")
    head = git(here.root, "rev-parse", "HEAD")
    named = set(index.named_beyond(here.worktree, here.store.objects, head))
    reached, known = (
        {line.split(" ")[0] for line in git(here.root, "rev-list", "--objects", "--no-object-names", what).splitlines()}
        for what in ("--indexed-objects", head)
    )
    assert reached - known <= named
    assert blob in named
    assert git(here.root, "write-tree") in named


def test_a_submodule_in_the_index_is_nothing_to_keep(here: Desk) -> None:
    head = git(here.root, "rev-parse", "HEAD")
    git(here.root, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    assert head not in index.named_beyond(here.worktree, here.store.objects, head)


def test_hidden_paths_are_those_that_git_is_told_to_overlook(here: Desk) -> None:
    git(here.root, "update-index", "--assume-unchanged", "a.txt")
    git(here.root, "update-index", "--skip-worktree", "d/b.txt")
    assert index.hidden_paths(here.worktree) == {"a.txt", "d/b.txt"}


@pytest.mark.parametrize("version", [2, 3, 4])
def test_an_extension_of_an_index_is_one_behind_its_entries(here: Desk, version: int) -> None:
    deep = "/".join(["folder"] * 600)  # longer than an entry has bits for
    oid = git(here.root, "hash-object", "-w", "--stdin", stdin=b"x")
    paths = ["TREE", "TREE\x01\x01\x01\x01/REUC", "ä" * 200, deep, "zzTREE"]
    lines = "".join(f"100644 {oid} 0\t{path}\0" for path in paths).encode()
    git(here.root, "update-index", "-z", "--index-info", stdin=lines)
    git(here.root, "update-index", "--index-version", str(version), "--force-untracked-cache")
    if version == 3:  # which an index has for the sake of an entry's flags
        git(here.root, "update-index", "--skip-worktree", "TREE")
    tree = git(here.root, "write-tree")
    data = index.read(here.worktree)
    assert data is not None and data[4:8] == bytes([0, 0, 0, version])
    cached = index._extension(data, b"TREE")
    assert next(index._cached_trees(cached)) == ("", tree)
    assert index._extension(data, b"UNTR") and not index._extension(data, b"REUC")
    start = data.rindex(b"TREE" + len(cached).to_bytes(4, "big"))
    without = data[:start] + data[start + 8 + len(cached) :]
    assert index._extension(without, b"UNTR") and not index._extension(without, b"TREE")
    for cut in range(0, len(data), 97):
        assert not index._extension(data[:cut], b"TREE")
