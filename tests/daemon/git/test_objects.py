"""Trees are spliced and compared as Git would, however large they are, and however few of their bytes are touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bough_daemon.errors import DiskFull, StoreDamaged
from bough_daemon.git import objects as module
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, SUBMODULE, TreeEntry, format_tree, parse_tree
from bough_daemon.store.store import Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.support import git, make_repository, tidied


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(str(make_repository(tmp_path / "r", {"a": b"1"}) / ".git"), "test")
    yield made
    made.close()


names = st.sampled_from(["a", "a.b", "a0", "a b", "ä", "b", "0", "100644 a", "z\n"])
leaves = st.builds(
    TreeEntry, st.sampled_from([FILE, EXECUTABLE, SUBMODULE]), st.integers(1, 9).map(lambda digit: str(digit) * 40)
)
flat = st.dictionaries(names, leaves, min_size=1)
changes = st.dictionaries(st.one_of(names, st.tuples(names, names).map("/".join)), st.none() | leaves, max_size=4)


def applied(entries: Mapping[str, TreeEntry], changed: Mapping[str, TreeEntry | None]) -> dict[str, TreeEntry]:
    return {name: entry for name, entry in {**entries, **changed}.items() if entry is not None}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=flat, steps=st.lists(st.dictionaries(names, st.none() | leaves, max_size=3), max_size=6))
def test_a_large_tree_is_what_git_would_write(
    store: Store, first: dict[str, TreeEntry], steps: list[dict[str, TreeEntry | None]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "LARGE_TREE", 1)
        patched.setattr(module, "HEAVY_TREE_BYTES", 1)
        objects, entries, trees = store.objects, dict(first), []
        trees.append(objects.splice(None, entries))
        for step in steps:
            entries = applied(entries, step)
            trees.append(objects.splice(trees[-1], step))
            assert objects.read(trees[-1]) == ("tree", format_tree(entries))
            assert parse_tree(objects.read(trees[-1])[1]) == entries == objects.tree(trees[-1])
        for old in trees:
            for new in trees:
                left, right = objects.tree(old), objects.tree(new)
                differ = {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}
                assert set(objects.changed_names(old, new)) == differ
                assert {path for path, _, _ in objects.difference(old, new)} == differ


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=changes, second=changes, third=changes)
def test_what_is_remembered_of_two_trees_is_how_they_differ(
    store: Store,
    first: dict[str, TreeEntry | None],
    second: dict[str, TreeEntry | None],
    third: dict[str, TreeEntry | None],
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "LARGE_TREE", 2)
        objects = store.objects
        trees = [objects.splice(None, {"keep": TreeEntry(FILE, "1" * 40), "d/keep": TreeEntry(FILE, "1" * 40)})]
        for step in (first, second, third):
            trees.append(objects.splice(trees[-1], step))
        for old in trees:
            for new in trees:
                left, right = dict(objects.walk(old)), dict(objects.walk(new))
                found = {path: (a, b) for path, a, b in objects.difference(old, new)}
                paths = left.keys() | right.keys()
                assert found == {p: (left.get(p), right.get(p)) for p in paths if left.get(p) != right.get(p)}


@pytest.mark.parametrize("mode", [b"-40", b"+40000", b" 40000", b"1_00644", b"100644\t", b"", b"99"])
def test_a_folder_whose_modes_are_no_octal_numbers_is_damaged(mode: bytes) -> None:
    with pytest.raises(StoreDamaged):
        parse_tree(mode + b" a\0" + bytes(20))


def test_a_heavy_tree_is_written_whole_for_git_and_packed_before_there_are_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, blob = store.objects, store.objects.write_blob(b"x")
    tree = objects.splice(None, {f"n/{number:05}": TreeEntry(FILE, blob) for number in range(3000)})
    monkeypatch.setattr("bough_daemon.store.gathering.HEAVY_LIMIT_BYTES", 5 * 100_000)
    for number in range(5):
        assert not tidied(store)
        tree = objects.splice(tree, {f"n/{number:05}": TreeEntry(EXECUTABLE, blob)})
    inner = objects.tree(tree)["n"]
    assert inner.mode == FOLDER
    listed = store.git.run("ls-tree", inner.oid).splitlines()
    assert len(listed) == 3000 and sum(line.startswith(b"100755") for line in listed) == 5
    loose = sum(os.path.getsize(os.path.join(objects.folder, oid[:2], oid[2:])) for oid in objects.loose())
    assert tidied(store) and not objects.loose() and not tidied(store)
    packed = sum(entry.stat().st_size for entry in os.scandir(os.path.join(objects.folder, "pack")))
    assert packed < loose / 5
    assert objects.difference(None, tree) and store.git.run("ls-tree", inner.oid).splitlines() == listed
    git(Path(store.path), "fsck", "--strict")


def test_a_kill_in_the_middle_of_a_heavy_tree_leaves_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVY_TREE_BYTES", 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    entries = {"a": TreeEntry(FILE, store.objects.write_blob(b"x"))}
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            store.objects.write_tree(entries)
    made = store.objects.write_tree(entries)
    assert store.git.run("cat-file", "-p", made).endswith(b"\ta\n")
    assert subprocess.run(["git", "fsck"], cwd=store.path, capture_output=True, check=False).returncode == 0


def test_what_is_remembered_of_trees_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_ENTRIES", 500)
    blob = store.objects.write_blob(b"x")
    tree = store.objects.splice(None, {str(number): TreeEntry(FILE, blob) for number in range(100)})
    for number in range(100):
        tree = store.objects.splice(tree, {str(number): TreeEntry(EXECUTABLE, blob)})
        assert sum(map(len, store.objects._trees.values())) <= 500
    assert {entry.mode for entry in store.objects.tree(tree).values()} == {EXECUTABLE}


def test_a_tree_that_is_not_sorted_is_patched_as_git_sorts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_TREE", 1)
    entry = TreeEntry(FILE, store.objects.write_blob(b"x"))
    odd = store.objects.write("tree", format_tree({"b": entry}) + format_tree({"a": entry}))
    made = store.objects.splice(odd, {"c": entry})
    assert store.objects.read(made)[1] == format_tree(dict.fromkeys("abc", entry))
