"""What stays at home: secrets, editors' files, large new files, and repositories inside that are no submodules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.objects import FILE, SUBMODULE, Entry, Objects
from bough_daemon.withheld import LARGEST, NESTED, TOO_DEEP, shared_tree, submodule_paths, withheld_paths

from tests.daemon.support import git

COMMIT = Entry(SUBMODULE, "1" * 40)
MODULES = b'[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n'


class Trees:
    """An object folder, and trees in it."""

    def __init__(self, folder: Path) -> None:
        self.objects = Objects(str(folder))

    def of(self, **files: bytes | Entry) -> str:
        """Return a tree of files by name: `__` is a slash, `_` is a dot."""
        entries = {name.replace("__", "/").replace("_", "."): self._entry(what) for name, what in files.items()}
        return self.objects.splice(None, entries)

    def _entry(self, what: bytes | Entry) -> Entry:
        return what if isinstance(what, Entry) else Entry(FILE, self.objects.write_blob(what))

    def seen(self, base: str, tree: str) -> dict[str, Entry]:
        """Return what the team sees of a tree."""
        return dict(self.objects.walk(shared_tree(self.objects, base, tree, withheld_paths(self.objects, base, tree))))


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[Trees]:
    git(tmp_path, "init", "-q", "--bare", "r.git")
    yield Trees(tmp_path / "r.git/objects")


def test_a_secret_that_was_committed_travels_as_it_was_committed(trees: Trees) -> None:
    base = trees.of(_env=b"KEY=none", a=b"1")
    tree = trees.of(_env=b"KEY=secret", a=b"2")
    assert withheld_paths(trees.objects, base, tree) == {".env": "named like a secret"}
    assert trees.seen(base, tree)[".env"] == trees.objects.entry(base, ".env")
    assert withheld_paths(trees.objects, tree, tree) == {}


def test_an_editors_file_stays_unless_somebody_committed_it(trees: Trees) -> None:
    base = trees.of(**{"b_txt~": b"committed"})
    tree = trees.of(**{"b_txt~": b"edited", "a_txt~": b"new", "4913": b""})
    assert withheld_paths(trees.objects, base, tree) == dict.fromkeys(["a.txt~", "4913"], "an editor's own file")


def test_a_repository_inside_stays_unless_it_is_a_submodule(trees: Trees) -> None:
    base = trees.of(a=b"1", old=Entry(SUBMODULE, "2" * 40))
    tree = trees.of(a=b"1", lib=COMMIT, d__vendored=COMMIT, old=COMMIT, _gitmodules=MODULES)
    assert withheld_paths(trees.objects, base, tree) == {"d/vendored": NESTED}
    assert set(trees.seen(base, tree)) == {"a", "lib", "old", ".gitmodules"}
    for no_file in (COMMIT, Entry(0o120000, trees.objects.write_blob(b"lib"))):
        assert "lib" in withheld_paths(trees.objects, base, trees.of(lib=COMMIT, _gitmodules=no_file))


def test_what_no_teammate_takes_stays_at_home_also_where_it_was_committed_smaller(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.withheld.LARGEST_FILE_BYTES", 10)
    deep, long = "d/" * 101 + "f", "n" * 250 + "/" + "n" * 250 + "/" + "n" * 250 + "/" + "n" * 250
    base = trees.of(grown=b"small", same=b"x" * 11)
    objects = trees.objects
    tree = objects.splice(
        trees.of(grown=b"x" * 11, same=b"x" * 11, kept=b"x" * 10),
        {path: Entry(FILE, objects.write_blob(b"")) for path in (deep, long, "d/" * 100 + "f")},
    )
    assert withheld_paths(objects, base, tree) == {"grown": LARGEST, deep: TOO_DEEP, long: TOO_DEEP}
    assert set(trees.seen(base, tree)) == {"grown", "same", "kept", "d/" * 100 + "f"}


def test_where_a_repository_takes_the_place_of_committed_files_the_team_keeps_the_files(trees: Trees) -> None:
    base = trees.of(a=b"1", lib__x=b"x", lib__y=b"y")
    tree = trees.of(a=b"2", lib=COMMIT)
    assert withheld_paths(trees.objects, base, tree) == {"lib": NESTED}
    assert set(trees.seen(base, tree)) == {"a", "lib/x", "lib/y"}


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
