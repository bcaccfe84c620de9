"""Another picture into the working tree: all of it or nothing, and no byte lost."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.errors import DiskFull, FilterFailed, HostilePath, NotPossibleNow
from bough_daemon.git import atomic_rename
from bough_daemon.git.objects import EXECUTABLE, FILE, LINK, SUBMODULE, TreeEntry
from bough_daemon.git.paths import STAGE, check_path
from bough_daemon.system.text import printable
from bough_daemon.transaction import swap_in
from bough_daemon.transaction.apply import apply, in_the_way, rescue
from bough_daemon.transaction.file_state import Disturbed, FileState, FileStep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.moves_support import FILES, Desk, desk, files_of, git, tree_on_disk
from tests.daemon.support import write_files


def scratch(here: Desk) -> str:
    path = os.path.join(here.store.folder, "stage")
    os.makedirs(path, exist_ok=True)
    return path


def blob(here: Desk, data: bytes, mode: int = FILE) -> TreeEntry:
    return TreeEntry(mode, here.store.objects.write_blob(data))


def now(here: Desk) -> FileState:
    return FileState(here.snapshot().tree)


def then(here: Desk, changes: Mapping[str, TreeEntry | None]) -> FileState:
    return FileState(here.store.objects.splice(here.snapshot().tree, changes))


def place(here: Desk, old: FileState, new: FileState) -> None:
    apply(here.worktree, here.store.objects, old, new, scratch=scratch(here))
    assert os.listdir(scratch(here)) == []


def refuse(
    here: Desk, old: FileState, new: FileState, failure: type[Exception] = Disturbed
) -> pytest.ExceptionInfo[Exception]:
    """Check that a change is refused and that every byte and every mode is as before; return what was raised."""
    before = files_of(here.root)
    with pytest.raises(failure) as caught:
        place(here, old, new)
    assert files_of(here.root) == before
    assert os.listdir(scratch(here)) == []
    return caught


TREES = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/d/e", "b", "a/x", "f g/h", "é", "-q", "b/d/z"]),
    st.one_of(
        st.tuples(st.sampled_from([FILE, EXECUTABLE]), st.sampled_from([b"", b"1", b"two\n", b"\0\r\n"])),
        st.tuples(st.just(LINK), st.sampled_from([b"1", b"../..", b"two\n"])),
    ),
    max_size=6,
)


def as_tree(here: Desk, files: dict[str, tuple[int, bytes]]) -> FileState:
    entries: dict[str, TreeEntry | None] = {
        path: blob(here, data, mode) for path, (mode, data) in sorted(files.items())
    }
    return FileState(here.store.objects.splice(None, entries))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TREES, min_size=1, max_size=4))
def test_any_picture_follows_any_other(trees: list[dict[str, tuple[int, bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder, "r"), {}) as here:
        at = now(here)
        for tree in trees:
            wanted = as_tree(here, tree)
            place(here, at, wanted)
            assert tree_on_disk(here.root) == wanted.tree
            at = wanted


def test_folders_that_become_empty_go_and_others_stay(here: Desk) -> None:
    (here.root / "d/keep.o").write_bytes(b"ignored")
    place(here, now(here), then(here, {"d/b.txt": None, "d/e/c.txt": None}))
    assert sorted(os.listdir(here.root / "d")) == ["keep.o"]


def test_permissions_of_a_replaced_file_stay_but_for_execution(here: Desk) -> None:
    (here.root / "a.txt").chmod(0o640)
    place(here, now(here), then(here, {"a.txt": blob(here, b"1", EXECUTABLE)}))
    assert stat.S_IMODE((here.root / "a.txt").stat().st_mode) == 0o750
    place(here, now(here), then(here, {"a.txt": blob(here, b"2")}))
    assert stat.S_IMODE((here.root / "a.txt").stat().st_mode) == 0o640


def test_filters_of_the_new_tree_make_the_files(here: Desk) -> None:
    git(here.root, "config", "filter.up.smudge", "tr a-z A-Z")
    git(here.root, "config", "filter.up.clean", "tr A-Z a-z")
    at = now(here)
    files = {
        "w.txt": b"x\ny\n",
        "up.bin": b"loud\n",
        " lead.txt": b"l\n",
        "q\n.txt": b"q\n",
        '"quoted".txt': b"z\n",
        "empty.txt": b"",
    }
    attributes = b"*.txt text eol=crlf\n*.bin filter=up\n"
    wanted = then(here, {path: blob(here, data) for path, data in {**files, ".gitattributes": attributes}.items()})
    place(here, at, wanted)
    found = {path: files_of(here.root)[path][1] for path in files}
    assert found == {
        "w.txt": b"x\r\ny\r\n",
        "up.bin": b"LOUD\n",
        " lead.txt": b"l\r\n",
        "q\n.txt": b"q\r\n",
        '"quoted".txt': b"z\r\n",
        "empty.txt": b"",
    }
    assert tree_on_disk(here.root) == wanted.tree
    place(here, wanted, at)
    assert tree_on_disk(here.root) == at.tree


def test_filters_run_in_the_working_tree_and_see_the_path(here: Desk) -> None:
    write_files(here.root, {"tools/upper.sh": b'#!/bin/sh\necho "$1"; tr a-z A-Z\n'})
    (here.root / "tools/upper.sh").chmod(0o755)
    git(here.root, "config", "filter.up.smudge", "./tools/upper.sh %f")
    files = {".gitattributes": blob(here, b"*.bin filter=up\n"), "x/up.bin": blob(here, b"loud\n")}
    place(here, now(here), then(here, files))
    assert (here.root / "x/up.bin").read_bytes() == b"x/up.bin\nLOUD\n"


def test_attributes_that_go_have_no_say_in_what_comes(here: Desk) -> None:
    write_files(here.root, {".gitattributes": b"*.txt text eol=crlf\n"})
    git(here.root, "add", ".gitattributes")
    place(here, now(here), then(here, {".gitattributes": None, "n.txt": blob(here, b"n\n")}))
    assert (here.root / "n.txt").read_bytes() == b"n\n"


def test_a_filter_that_fails_stops_everything_before_it_begins(here: Desk) -> None:
    git(here.root, "config", "filter.bad.smudge", "false")
    git(here.root, "config", "filter.bad.required", "true")
    changes = {
        ".gitattributes": blob(here, b"*.bin filter=bad\n"),
        "a.txt": blob(here, b"new\n"),
        "z.bin": blob(here, b"z"),
    }
    refuse(here, now(here), then(here, changes), FilterFailed)


@pytest.mark.parametrize("name", ["a b.bin", "\u00fc\nx.bin"])
def test_a_missing_lfs_object_is_told_in_one_line(here: Desk, name: str) -> None:
    said = "echo Downloading >&2; echo 'Error downloading object: x (12ab): not found' >&2; echo more >&2; exit 2"
    git(here.root, "config", "filter.lfs.smudge", said)
    git(here.root, "config", "filter.lfs.required", "true")
    changes = {".gitattributes": blob(here, b"*.bin filter=lfs\n"), name: blob(here, b"z")}
    with pytest.raises(FilterFailed) as failure:
        place(here, now(here), then(here, changes))
    why = "nothing was changed: Error downloading object: x (12ab): not found"
    assert failure.value.message == f"the filter `lfs` failed on {printable(name)}; {why}"
    assert "lands or pushes it" in failure.value.facts["hint"]
    assert "`git lfs push --object-id REMOTE ID`" in failure.value.facts["hint"]


def pointer(number: int, more: str = "") -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\n{more}oid sha256:{number:064x}\nsize 12\n".encode()


@pytest.mark.parametrize("storage", ["lfs", "elsewhere"])
def test_a_missing_lfs_object_is_told_with_the_command_that_uploads_it_and_the_others(here: Desk, storage: str) -> None:
    git(here.root, "config", "filter.lfs.smudge", "false")
    git(here.root, "config", "filter.lfs.required", "true")
    if storage != "lfs":
        git(here.root, "config", "lfs.storage", storage)
    known = here.root / ".git" / storage / "objects" / "00" / "00" / f"{1:064x}"
    known.parent.mkdir(parents=True)
    known.write_bytes(b"the content\n")
    contents = {
        "1.bin": pointer(1),
        "2.bin": pointer(2),
        "3.bin": pointer(3, "ext-0-x sha256:0\n"),
        "again.bin": pointer(2),
        "none.bin": b"oid sha256:no pointer\n",
        "long.bin": pointer(4) + b"x" * 2000,
    }
    changes = {name: blob(here, data) for name, data in contents.items()}
    failure = refuse(
        here, now(here), then(here, {".gitattributes": blob(here, b"*.bin filter=lfs\n"), **changes}), FilterFailed
    )
    assert isinstance(failure.value, FilterFailed)
    assert f"`git lfs push --object-id REMOTE {2:064x} {3:064x}`" in failure.value.facts["hint"]


@pytest.mark.parametrize(
    ("remotes", "usual", "word"),
    [
        (["upstream"], "", "upstream"),
        (["upstream", "origin"], "", "origin"),
        (["upstream", "my fork", "origin"], "my fork", "'my fork'"),
        (["upstream", "origin"], "https://example.org/x.git", "origin"),
        (["upstream", "fork"], "", "REMOTE"),
    ],
)
def test_the_command_that_uploads_a_missing_lfs_object_names_a_remote_that_exists(
    here: Desk, remotes: list[str], usual: str, word: str
) -> None:
    git(here.root, "config", "filter.lfs.smudge", "false")
    git(here.root, "config", "filter.lfs.required", "true")
    for remote in remotes:
        git(here.root, "config", f"remote.{remote}.url", "elsewhere")
    if usual:
        git(here.root, "config", "remote.pushDefault", usual)
    changes = {".gitattributes": blob(here, b"*.bin filter=lfs\n"), "1.bin": blob(here, pointer(1))}
    failure = refuse(here, now(here), then(here, changes), FilterFailed)
    assert isinstance(failure.value, FilterFailed)
    assert f"`git lfs push --object-id {word} {1:064x}`" in failure.value.facts["hint"]


def test_of_many_missing_lfs_objects_some_are_told(here: Desk) -> None:
    git(here.root, "config", "filter.lfs.smudge", "false")
    git(here.root, "config", "filter.lfs.required", "true")
    changes = {f"{number:03}.bin": blob(here, pointer(number)) for number in range(100)}
    failure = refuse(
        here, now(here), then(here, {".gitattributes": blob(here, b"*.bin filter=lfs\n"), **changes}), FilterFailed
    )
    assert isinstance(failure.value, FilterFailed)
    assert f"{19:064x} …`" in failure.value.facts["hint"]


EDITS: dict[str, Callable[[Path], object]] = {
    "changed": lambda root: (root / "a.txt").write_bytes(b"saved in the same moment\n"),
    "removed": lambda root: (root / "a.txt").unlink(),
    "made a symlink": lambda root: ((root / "a.txt").unlink(), (root / "a.txt").symlink_to("/etc/passwd")),
    "made a folder": lambda root: ((root / "a.txt").unlink(), (root / "a.txt").mkdir(), (root / "a.txt/x").touch()),
    "removed elsewhere": lambda root: (root / "d/b.txt").unlink(),
    "changed elsewhere": lambda root: (root / "d/b.txt").write_bytes(b"new words\n"),
    "appeared": lambda root: (root / "n.txt").write_bytes(b"mine\n"),
    "appeared as a folder": lambda root: ((root / "n.txt").mkdir(), (root / "n.txt/x").touch()),
    "appeared on the way": lambda root: (root / "way").write_bytes(b"a file\n"),
    "a symlink on the way": lambda root: (root / "way").symlink_to("/tmp"),
    "folder became a symlink": lambda root: ((root / "d").rename(root / "moved"), (root / "d").symlink_to("moved")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_save_in_the_same_moment_stops_everything_and_stays(here: Desk, edit: str) -> None:
    old = now(here)
    changes = {
        "a.txt": blob(here, b"new\n"),
        "d/b.txt": None,
        "d/e": blob(here, b"file\n"),
        "n.txt": blob(here, b"n\n"),
    }
    new = then(here, {**changes, "way/x": blob(here, b"x\n"), "0": blob(here, b"0"), "zz/z": blob(here, b"z")})
    EDITS[edit](here.root)
    refuse(here, old, new)


def test_a_converted_file_that_changed_is_noticed(here: Desk) -> None:
    write_files(here.root, {".gitattributes": b"*.win text eol=crlf\n", "x.win": b"1\r\n"})
    old, new = now(here), then(here, {"x.win": blob(here, b"2\n")})
    write_files(here.root, {"x.win": b"3\r\n"})
    refuse(here, old, new)
    place(here, now(here), new)
    assert (here.root / "x.win").read_bytes() == b"2\r\n"


@pytest.mark.parametrize(
    ("number", "failure"), [(errno.EIO, OSError), (errno.EACCES, NotPossibleNow), (errno.ENOSPC, DiskFull)]
)
def test_a_failure_on_the_way_puts_everything_back(
    here: Desk, monkeypatch: pytest.MonkeyPatch, number: int, failure: type[Exception]
) -> None:
    changes = {"a.txt": blob(here, b"new\n"), "d/b.txt": None, "d/e/c.txt": None, "new/n": blob(here, b"n")}
    old, new = now(here), then(here, changes)
    calls, real = 0, atomic_rename.put

    def failing(source: atomic_rename.DirEntry, target: atomic_rename.DirEntry) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(number, os.strerror(number))
        real(source, target)

    monkeypatch.setattr(swap_in, "put", failing)
    refuse(here, old, new, failure)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("refused", ["manifest", "stage"])
def test_a_change_that_is_made_does_not_fail_for_what_it_leaves(
    here: Desk, monkeypatch: pytest.MonkeyPatch, refused: str, number: int
) -> None:
    old, new = now(here), then(here, {"a.txt": blob(here, b"new\n"), "d/b.txt": None})

    def fail(path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    real = os.unlink
    with monkeypatch.context() as failing:
        if refused == "manifest":
            failing.setattr(os, "unlink", lambda path, **at: (fail if path.endswith(swap_in.MANIFEST) else real)(path))
        discard = fail if refused == "stage" else shutil.rmtree
        apply(here.worktree, here.store.objects, old, new, scratch=scratch(here), discard=discard)
    assert tree_on_disk(here.root) == new.tree
    assert rescue(here.worktree, here.store.objects, scratch(here)) == {}
    assert os.listdir(scratch(here)) == []


@pytest.mark.parametrize("target", [b"", b"nul\0byte", b"x" * 5000])
def test_a_symlink_that_cannot_be_is_refused(here: Desk, target: bytes) -> None:
    changes = {"a.txt": blob(here, b"new\n"), "link": blob(here, target, LINK)}
    refuse(here, now(here), then(here, changes), HostilePath)


def test_a_name_that_the_file_system_cannot_hold_is_refused(here: Desk) -> None:
    changes = {"a.txt": blob(here, b"new\n"), "x/" + "é" * 200 + "/y": blob(here, b"y")}
    refuse(here, now(here), then(here, changes), NotPossibleNow)


def test_a_save_after_the_swap_outlives_a_failure(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    old = now(here)
    new = then(here, {"a.txt": blob(here, b"new\n"), "b.txt": blob(here, b"new too\n"), "c.txt": blob(here, b"c")})
    real = swap_in.Placing._place

    def saving(self: swap_in.Placing, number: int, *step: Any) -> None:
        real(self, number, *step)
        if number == 2:
            write_files(here.root, {"a.txt": b"newest\n", "b.txt": b"newest too\n"})
            raise OSError(errno.EIO, "disk on fire")

    monkeypatch.setattr(swap_in.Placing, "_place", saving)
    with pytest.raises(OSError, match="fire"):
        place(here, old, new)
    assert (here.root / "a.txt").read_bytes() == b"newest\n"
    assert (here.root / "b.txt").read_bytes() == b"newest too\n"
    assert not (here.root / "c.txt").exists()
    assert here.store.objects.exists(blob(here, FILES["a.txt"]).oid)


def test_of_two_saves_in_the_same_moment_the_first_is_kept(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save before the swap, and again when what came in is there: the first save can no longer be put back."""
    old, new = now(here), then(here, {"a.txt": blob(here, b"new\n")})
    write_files(here.root, {"a.txt": b"first\n"})
    real = swap_in.Placing._put_back

    def saving(self: swap_in.Placing) -> None:
        assert (here.root / "a.txt").read_bytes() == b"new\n"
        write_files(here.root, {"a.txt": b"new\nsecond\n"})
        real(self)

    monkeypatch.setattr(swap_in.Placing, "_put_back", saving)
    kept: dict[str, TreeEntry] = {}
    with pytest.raises(Disturbed):
        apply(here.worktree, here.store.objects, old, new, scratch=scratch(here), keep=kept.update)
    assert (here.root / "a.txt").read_bytes() == b"new\nsecond\n"
    assert kept == {"a.txt": blob(here, b"first\n")}


def test_a_file_system_without_exchange_serves_as_well(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_rename, "NATIVE", None)
    old, new = now(here), then(here, {"a.txt": blob(here, b"new\n"), "d/b.txt": None, "n/n": blob(here, b"n")})
    place(here, old, new)
    assert tree_on_disk(here.root) == new.tree
    write_files(here.root, {"a.txt": b"surprise\n"})
    refuse(here, new, old)


def test_what_is_ignored_and_in_the_way_is_recorded_first(here: Desk) -> None:
    write_files(here.root, {"x.o/deep/file.o": b"1", "y.o": b"2"})
    (here.root / "y.o").chmod(0o755)
    new = then(here, {"x.o": blob(here, b"x"), "y.o/z": blob(here, b"z")})
    old = now(here)
    seen = in_the_way(here.worktree, here.store.objects, old, new)
    added = {path: entry for path, _, entry in here.store.objects.difference(old.tree, seen.tree)}
    assert added == {"x.o/deep/file.o": blob(here, b"1"), "y.o": blob(here, b"2", EXECUTABLE)}
    refuse(here, old, new)
    place(here, seen, new)
    assert files_of(here.root)["x.o"][1] == b"x"
    place(here, new, seen)
    assert files_of(here.root)["y.o"] == ("0o100755", b"2")
    assert (here.root / "x.o/deep/file.o").read_bytes() == b"1"


def test_a_pipe_in_the_way_is_refused(here: Desk) -> None:
    os.mkfifo(here.root / "p.o")
    with pytest.raises(NotPossibleNow, match=r"p\.o"):
        in_the_way(here.worktree, here.store.objects, now(here), then(here, {"p.o": blob(here, b"p")}))


def test_a_repository_in_the_way_is_refused(here: Desk) -> None:
    git(here.root, "init", "-q", "inner.o")
    old = now(here)
    for path in ("inner.o", "inner.o/file"):
        refuse(here, old, then(here, {path: blob(here, b"x")}), NotPossibleNow)


def test_submodules_are_left_alone(here: Desk) -> None:
    commit = git(here.root, "rev-parse", "HEAD")
    link: dict[str, TreeEntry | None] = {"sub": TreeEntry(SUBMODULE, commit)}
    old = now(here)
    new = FileState(here.store.objects.splice(old.tree, link))
    place(here, old, new)
    assert os.listdir(here.root / "sub") == []
    place(here, new, old)
    assert not (here.root / "sub").exists()
    place(here, old, new)
    write_files(here.root, {"sub/inside": b"i"})
    place(here, new, old)
    assert (here.root / "sub/inside").exists()


def test_a_folder_that_becomes_a_submodule_is_as_before_after_a_failure(here: Desk) -> None:
    commit = git(here.root, "rev-parse", "HEAD")
    old = now(here)
    gone: dict[str, TreeEntry | None] = {"a.txt": None, "d/b.txt": None, "d/e/c.txt": None}
    new = then(here, {**gone, "d": TreeEntry(SUBMODULE, commit), "z.txt": blob(here, b"z\n")})
    write_files(here.root, {"a.txt": b"saved in this moment\n"})
    refuse(here, old, new)
    write_files(here.root, {"a.txt": FILES["a.txt"], "z.txt": b"in the way\n"})
    refuse(here, old, new)
    (here.root / "z.txt").unlink()
    place(here, old, new)
    assert os.listdir(here.root / "d") == []
    assert (here.root / "z.txt").read_bytes() == b"z\n"
    place(here, new, old)
    assert tree_on_disk(here.root) == old.tree


def test_many_folders_come_go_and_come_back_whatever_fails(here: Desk) -> None:
    old = now(here)
    many = {
        f"{folder}/{inner}{number}": blob(here, b"new\n")
        for folder in "nm"
        for inner in ("", "x/")
        for number in (1, 2)
    }
    new = then(here, {**many, "d/b.txt": None, "d/e/c.txt": None, "d/e": blob(here, b"a file now\n")})
    place(here, old, new)
    assert tree_on_disk(here.root) == new.tree
    write_files(here.root, {"n/x/2": b"saved in this moment\n"})
    refuse(here, new, old)
    write_files(here.root, {"n/x/2": b"new\n"})
    place(here, new, old)
    assert tree_on_disk(here.root) == old.tree


def test_of_a_refused_change_no_folder_is_left_and_none_is_gone(here: Desk) -> None:
    (here.root / "empty/own").mkdir(parents=True)
    (here.root / "empty").chmod(0o700)
    coming = {path: blob(here, b"new\n") for path in ("empty/own/n", "new/deep/f", "new/g")}
    submodule = TreeEntry(SUBMODULE, git(here.root, "rev-parse", "HEAD"))
    new = then(here, {**coming, "d/b.txt": None, "d/e/c.txt": None, "sub/module": submodule, "z": blob(here, b"z\n")})
    old = now(here)
    write_files(here.root, {"z": b"in the way\n"})
    before = {one: one.stat().st_mode for one in here.root.glob("[!.]*/**")}
    refuse(here, old, new)
    assert {one: one.stat().st_mode for one in here.root.glob("[!.]*/**")} == before


def in_swap(here: Desk, monkeypatch: pytest.MonkeyPatch, when: int, work: Callable[[], object]) -> list[str]:
    """Do some work after so many files were moved, and return the list that gets the path of each."""
    moved = list[str]()

    def watched(name: str) -> None:
        real = getattr(swap_in.Placing, name)

        def move(self: swap_in.Placing, number: int, step: FileStep, *folder: int) -> None:
            real(self, number, step, *folder)
            moved.append(step.path)
            if len(moved) == when:
                work()

        monkeypatch.setattr(swap_in.Placing, name, move)

    watched("_take")
    watched("_place")
    return moved


def contents(folder: Path) -> dict[str, bytes]:
    return {path: content for path, (_, content) in files_of(folder).items()}


def moved_away(folder: Path, to: Path) -> None:
    folder.rename(to)


def moved_behind_a_link(folder: Path, to: Path) -> None:
    folder.rename(to)
    folder.symlink_to(to)


def moved_for_another(folder: Path, to: Path) -> None:
    folder.rename(to)
    write_files(folder, {"0": b"of another\n"})


@pytest.mark.parametrize("when", [2, 4, 7])
@pytest.mark.parametrize("move", [moved_away, moved_behind_a_link, moved_for_another])
def test_a_folder_that_is_moved_while_its_files_are_swapped_has_them_back(
    here: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: Callable[[Path, Path], None], when: int
) -> None:
    write_files(here.root, {f"m/{number}": b"mine %d\n" % number for number in range(6)})
    coming = {f"m/{number}": blob(here, b"theirs\n") for number in range(2, 8)}
    old, new = now(here), then(here, {**coming, "m/0": None, "m/1": None})
    folder, elsewhere, kept = here.root / "m", tmp_path / "backup", dict[str, TreeEntry]()
    in_swap(here, monkeypatch, when, lambda: move(folder, elsewhere))
    with pytest.raises(Disturbed):
        apply(here.worktree, here.store.objects, old, new, scratch=scratch(here), keep=kept.update)
    assert contents(elsewhere) == {str(number): b"mine %d\n" % number for number in range(6)}
    assert folder.is_symlink() == (move is moved_behind_a_link)
    assert folder.exists() == (move is not moved_away)
    if move is moved_for_another:
        assert contents(folder) == {"0": b"of another\n"}
    assert kept == {}
    assert os.listdir(scratch(here)) == []


def test_a_folder_that_is_moved_is_missed_after_few_of_its_files(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(here.root, {f"m/{number}": b"mine\n" for number in range(20)})
    old, new = now(here), then(here, {f"m/{number}": blob(here, b"theirs\n") for number in range(20)})
    monkeypatch.setattr(swap_in, "UNSEEN", 5)
    moved = in_swap(here, monkeypatch, 7, lambda: (here.root / "m").rename(here.root / "n"))
    with pytest.raises(Disturbed):
        place(here, old, new)
    assert len(moved) == 10
    assert set(contents(here.root / "n").values()) == {b"mine\n"}


def test_a_folder_that_is_replaced_while_files_are_made_gets_them(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = now(here), then(here, {"d/b.txt": blob(here, b"theirs\n")})
    real = swap_in.Placing._make_ready

    def replacing(self: swap_in.Placing, *facts: Any) -> None:
        real(self, *facts)
        (here.root / "d").rename(here.root / "d.old")
        shutil.copytree(here.root / "d.old", here.root / "d")

    monkeypatch.setattr(swap_in.Placing, "_make_ready", replacing)
    place(here, old, new)
    assert (here.root / "d/b.txt").read_bytes() == b"theirs\n"
    assert (here.root / "d.old/b.txt").read_bytes() == FILES["d/b.txt"]


def test_a_read_only_folder_is_refused_before_anything_is_touched(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real, closed = os.access, os.stat(here.root / "d/e").st_ino

    def access(path: str, mode: int, *, dir_fd: int) -> bool:  # root, as whom this may run, can write everywhere
        return os.fstat(dir_fd).st_ino != closed and real(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "access", access)
    changes = {"a.txt": blob(here, b"new\n"), "d/e/c.txt": blob(here, b"new\n")}
    refuse(here, now(here), then(here, changes), NotPossibleNow)


def test_what_a_killed_change_left_is_rescued(here: Desk) -> None:
    stage = Path(scratch(here), STAGE + "x")
    write_files(stage, {swap_in.MANIFEST: b'["a.txt", "d/b.txt"]', "0": b"nobody has this\n", "1": b"b\n"})
    write_files(Path(scratch(here)), {"rules-left/.gitattributes": b""})
    here.snapshot()
    found = rescue(here.worktree, here.store.objects, scratch(here))
    assert found == {"a.txt": blob(here, b"nobody has this\n")}
    assert os.listdir(scratch(here)) == []


def test_a_file_that_was_only_half_staged_is_nobodys_save(here: Desk) -> None:
    write_files(Path(scratch(here), STAGE + "x"), {"0": b"half of a"})
    assert rescue(here.worktree, here.store.objects, scratch(here)) == {}
    assert os.listdir(scratch(here)) == []


PATHS = {
    "a": True, "a/b": True, ".gitignore": True, "a.git": True, "git": True, "...": True, " ": True, "a\\b": True,
    ".gitmodules": True, "": False, "/a": False, "a//b": False, "a/": False, ".": False, "a/../b": False,
    ".git": False, ".GIT/x": False, "a/.git": False, ".git ": False, ".git.": False, ".git...": False,
    ".git::$INDEX_ALLOCATION/x": False, "git~1": False, "GIT~1/hooks": False, ".g\u200cit": False, "\ufeff.git": False,
    "x\\.git": False, ".git\\x": False, "a\0b": False,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_judged_as_git_judges_them(here: Desk, path: str) -> None:
    if PATHS[path]:
        check_path(path, FILE)
    else:
        with pytest.raises(HostilePath):
            check_path(path, FILE)
    if "\0" not in path:
        oid = git(here.root, "hash-object", "-w", "a.txt")
        options = ["-c", "core.protectNTFS=true", "-c", "core.protectHFS=true"]
        line = f"100644 {oid} 0\t{path}\0".encode()
        environment = {"GIT_INDEX_FILE": str(here.root.parent / "scratch")}
        git(here.root, *options, "update-index", "-z", "--index-info", stdin=line, **environment)
        assert bool(git(here.root, "ls-files", "-s", stdin=b"", **environment)) == PATHS[path]


@pytest.mark.parametrize(
    "name", [".gitmodules", ".GitModules", "gitmod~1", "gi7eba~1", ".gitmodules ", ".git\u200cmodules"]
)
def test_a_disguised_gitmodules_may_not_be_a_symlink(name: str) -> None:
    check_path(name, FILE)
    with pytest.raises(HostilePath):
        check_path(f"a/{name}", LINK)
