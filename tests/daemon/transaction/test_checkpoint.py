"""Where I am, recorded before anything of mine is touched."""

from __future__ import annotations

from bough_daemon.git import index
from bough_daemon.git.worktree import Head
from bough_daemon.transaction import checkpoint
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState

from tests.daemon.moves_support import Desk, git
from tests.daemon.support import write_files


def recorded(live: LiveWorktree, snapshot_of: Desk, toward: str | None = None) -> checkpoint.Checkpoint:
    snapshot = snapshot_of.snapshot()
    with index.lock(live.worktree):
        return checkpoint.record(live, snapshot, FileState(toward or snapshot.tree))


def test_a_place_reads_as_it_was_recorded(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"staged\n"})
    git(here.root, "add", "a.txt")
    (here.root / "d/b.txt").chmod(0o600)
    found = recorded(here.live, here, here.store.objects.write_tree({}))
    assert checkpoint.read(here.store.objects, found.oid) == found
    assert found.head == Head("refs/heads/main", git(here.root, "rev-parse", "HEAD"))
    assert found.picture.modes == {"d/b.txt": 0o600}
    assert here.store.ref(f"refs/kept/me/place-{found.oid}") == found.oid


def test_the_store_owns_what_the_index_names(here: Desk) -> None:
    write_files(here.root, {"staged.txt": b"only in the index\n"})
    git(here.root, "add", "staged.txt")
    blob = git(here.root, "rev-parse", ":staged.txt")
    (here.root / "staged.txt").unlink()
    found = recorded(here.live, here)
    assert blob in found.named
    assert here.store.objects.owns(blob)
    assert git(here.root, "fsck", "--no-dangling", GIT_DIR=here.store.path) == ""


ATTRIBUTES = b"*.win text eol=crlf\n*.auto text=auto\n*.id ident\n*.up filter=up\n*.lfs filter=lfs\n*.bin -text\n"


def test_bytes_that_git_would_not_give_back_are_kept_raw(here: Desk) -> None:
    for name, command in {"up.clean": "tr A-Z a-z", "up.smudge": "tr a-z A-Z", "lfs.clean": "cat"}.items():
        git(here.root, "config", f"filter.{name}", command)
    files = {
        "whole.win": b"a\r\nb\r\n",
        "mixed.win": b"a\nb\r\n",
        "plain.auto": b"a\n",
        "crlf.auto": b"a\r\n",
        "expanded.id": b"$Id: 123 $\n",
        "loud.up": b"LOUD\n",
        "mixed.up": b"Mixed\n",
        "mixed.lfs": b"Mixed\n",
        "crlf.bin": b"a\r\n",
        "none.txt": b"a\r\n",
    }
    write_files(here.root, {".gitattributes": ATTRIBUTES, **files})
    found = recorded(here.live, here)
    assert set(found.picture.raw) == {"mixed.win", "crlf.auto", "expanded.id", "mixed.up"}
    assert all(here.store.objects.blob(oid) == files[path] for path, oid in found.picture.raw.items())


def test_without_attributes_only_autocrlf_makes_a_difference(here: Desk) -> None:
    write_files(here.root, {"crlf.txt": b"a\r\n", "lf.txt": b"a\n"})
    assert recorded(here.live, here).picture.raw == {}
    git(here.root, "config", "core.autocrlf", "true")
    assert {"lf.txt"} <= set(recorded(here.live, here).picture.raw)
    git(here.root, "config", "core.autocrlf", "input")
    assert set(recorded(here.live, here).picture.raw) == {"crlf.txt"}


def test_a_place_without_an_index_gives_none_back(here: Desk) -> None:
    (here.root / ".git/index").unlink()
    found = recorded(here.live, here)
    assert found.index is None
    git(here.root, "read-tree", "HEAD")
    with index.lock(here.worktree) as lock:
        checkpoint.put_index(here.live, found, lock)
    assert not (here.root / ".git/index").exists()
