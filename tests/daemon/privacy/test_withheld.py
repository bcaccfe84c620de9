"""What stays at home: secrets, editors' files, large new files, and repositories inside that are no submodules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, LINK, SUBMODULE, Objects, TreeEntry
from bough_daemon.privacy.secret_blobs import SecretBlobs
from bough_daemon.privacy.withheld import (
    BARE,
    LARGEST,
    NESTED,
    OTHERS,
    TOO_DEEP,
    shared_tree,
    submodule_paths,
    withheld_paths,
)

from tests.daemon.support import git

COMMIT = TreeEntry(SUBMODULE, "1" * 40)
MODULES = b'[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n'


class Trees:
    """An object folder, and trees in it."""

    def __init__(self, folder: Path) -> None:
        self.objects = Objects(str(folder))
        self.secrets = SecretBlobs(self.objects)

    def of(self, **files: bytes | TreeEntry) -> str:
        """Return a tree of files by name: `__` is a slash, `_` is a dot."""
        entries = {name.replace("__", "/").replace("_", "."): self._entry(what) for name, what in files.items()}
        return self.objects.splice(None, entries)

    def _entry(self, what: bytes | TreeEntry) -> TreeEntry:
        return what if isinstance(what, TreeEntry) else TreeEntry(FILE, self.objects.write_blob(what))

    def withheld(self, base: str, tree: str) -> dict[str, str]:
        """Return what stays at home of a tree."""
        return withheld_paths(self.objects, self.secrets, base, tree)

    def seen(self, base: str, tree: str) -> dict[str, TreeEntry]:
        """Return what the team sees of a tree."""
        return dict(self.objects.walk(shared_tree(self.objects, base, tree, self.withheld(base, tree))))


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[Trees]:
    git(tmp_path, "init", "-q", "--bare", "r.git")
    yield Trees(tmp_path / "r.git/objects")


def test_a_secret_that_was_committed_travels_as_it_was_committed(trees: Trees) -> None:
    base = trees.of(_env=b"KEY=none", a=b"1")
    tree = trees.of(_env=b"KEY=secret", a=b"2")
    assert trees.withheld(base, tree) == {".env": "named like a secret"}
    assert trees.seen(base, tree)[".env"] == trees.objects.entry(base, ".env")
    assert trees.withheld(tree, tree) == {}


def test_an_editors_file_stays_unless_somebody_committed_it(trees: Trees) -> None:
    base = trees.of(**{"b_txt~": b"committed"})
    tree = trees.of(**{"b_txt~": b"edited", "a_txt~": b"new", "4913": b""})
    assert trees.withheld(base, tree) == dict.fromkeys(["a.txt~", "4913"], "an editor's own file")


def test_a_repository_inside_stays_unless_it_is_a_submodule(trees: Trees) -> None:
    base = trees.of(a=b"1", old=TreeEntry(SUBMODULE, "2" * 40))
    tree = trees.of(a=b"1", lib=COMMIT, d__vendored=COMMIT, old=COMMIT, _gitmodules=MODULES)
    assert trees.withheld(base, tree) == {"d/vendored": NESTED}
    assert set(trees.seen(base, tree)) == {"a", "lib", "old", ".gitmodules"}
    for no_file in (COMMIT, TreeEntry(0o120000, trees.objects.write_blob(b"lib"))):
        assert "lib" in trees.withheld(base, trees.of(lib=COMMIT, _gitmodules=no_file))


def test_what_no_teammate_takes_stays_at_home_also_where_it_was_committed_smaller(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.privacy.withheld.LARGEST_FILE_BYTES", 10)
    deep, long = "d/" * 101 + "f", "n" * 250 + "/" + "n" * 250 + "/" + "n" * 250 + "/" + "n" * 250
    base = trees.of(grown=b"small", same=b"x" * 11)
    objects = trees.objects
    tree = objects.splice(
        trees.of(grown=b"x" * 11, same=b"x" * 11, kept=b"x" * 10),
        {path: TreeEntry(FILE, objects.write_blob(b"")) for path in (deep, long, "d/" * 100 + "f")},
    )
    assert trees.withheld(base, tree) == {"grown": LARGEST, deep: TOO_DEEP, long: TOO_DEEP}
    assert set(trees.seen(base, tree)) == {"grown", "same", "kept", "d/" * 100 + "f"}


def test_where_a_repository_takes_the_place_of_committed_files_the_team_keeps_the_files(trees: Trees) -> None:
    base = trees.of(a=b"1", lib__x=b"x", lib__y=b"y")
    tree = trees.of(a=b"2", lib=COMMIT)
    assert trees.withheld(base, tree) == {"lib": NESTED}
    assert set(trees.seen(base, tree)) == {"a", "lib/x", "lib/y"}


REF, DETACHED = b"ref: refs/heads/main\n", b"1" * 40 + b"\n"


@pytest.mark.parametrize("head", [REF, DETACHED, b"ref:refs/heads/x", TreeEntry(LINK, "")])
@pytest.mark.parametrize("beside", ["objects__ab__cd", "refs__heads__main", "config", "packed-refs"])
def test_the_own_folder_of_a_repository_stays_as_a_whole(trees: Trees, head: bytes | TreeEntry, beside: str) -> None:
    if isinstance(head, TreeEntry):
        head = TreeEntry(LINK, trees.objects.write_blob(b"refs/heads/main"))
    base = trees.of(a=b"1", d__e=b"1")
    new = {"d__x_git__HEAD": head, f"d__x_git__{beside}": b"1", "d__x_git__hooks__pre-commit": b"#!/bin/sh"}
    tree = trees.of(a=b"2", d__e=b"1", **new)
    assert trees.withheld(base, tree) == {"d/x.git": BARE}
    assert trees.seen(base, tree).keys() == {"a", "d/e"}


def test_a_repository_that_was_committed_as_files_is_shared_and_one_made_of_them_is_not(trees: Trees) -> None:
    fixture = {"t__HEAD": REF, "t__config": b"1"}
    base = trees.of(**fixture, u__config=b"1")
    tree = trees.of(t__HEAD=DETACHED, t__config=b"2", t__objects__ab=b"3", u__config=b"2", u__HEAD=REF, u__refs__x=b"1")
    assert trees.withheld(base, tree) == {"u/HEAD": BARE, "u/refs/x": BARE}


@pytest.mark.parametrize("head", [b"# HEAD\n", b"ref: main", b"", b"x" * 5000])
def test_a_file_called_head_makes_no_repository(trees: Trees, head: bytes) -> None:
    tree = trees.of(docs__HEAD=head, docs__config=b"1", other__HEAD=REF, HEAD=REF, config=b"1")
    assert trees.withheld(trees.of(a=b"1"), tree) == {}


def test_what_other_version_control_systems_keep_stays_unless_it_was_committed(trees: Trees) -> None:
    base = trees.of(old__CVS__Root=b"1")
    tree = trees.of(
        _hg__hgrc=b"password", sub___svn__wc_db=b"1", old__CVS__Root=b"2", old__CVS__Tag=b"1", _hgignore=b"1"
    )
    assert trees.withheld(base, tree) == {".hg": OTHERS, "sub/.svn": OTHERS}


@pytest.mark.parametrize("path", ["lib", "a b/c", 'q"uote', "semi;colon #hash", " space ", "back\\slash", "ü\n\tx"])
def test_gitmodules_are_read_as_git_reads_them(tmp_path: Path, path: str) -> None:
    file = tmp_path / ".gitmodules"
    file.write_bytes(b"[core]\n\tpath = none\n")
    git(tmp_path, "config", "-f", str(file), "submodule.a.b.path", path)
    git(tmp_path, "config", "-f", str(file), "submodule.a.b.url", "path = none")
    assert submodule_paths(file.read_bytes()) == {path}


@pytest.mark.parametrize(
    "hostile", [b"\0\xff[submodule", b'[submodule "x"]\npath="', b"[submodule]\npath", b"=" * 9999]
)
def test_a_broken_gitmodules_names_nothing(hostile: bytes) -> None:
    assert submodule_paths(hostile) <= {""}
