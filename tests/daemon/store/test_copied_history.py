"""A history without a remote is copied to the store: completely if it is small, else only the newest commits."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.store import store as store_module
from bough_daemon.store.store import Store

from tests.daemon.support import git, make_repository, write_files

SIZE, LIMIT = 400_000, 200_000


def loose(root: Path) -> None:
    """Leave the objects as `git commit` makes them."""


def packed(root: Path) -> None:
    git(root, "gc", "-q")


def packed_elsewhere(root: Path) -> None:
    packed(root)
    os.rename(root / ".git/objects/pack", root.parent / "packs")
    os.symlink(root.parent / "packs", root / ".git/objects/pack")


def pack_is_elsewhere(root: Path) -> None:
    packed(root)
    for file in (root / ".git/objects/pack").iterdir():
        os.rename(file, root.parent / file.name)
        os.symlink(root.parent / file.name, file)


def commits(root: Path) -> list[str]:
    """Make a history whose first commit is large; return its commits, newest first."""
    make_repository(root, {"large": random.Random(0).randbytes(SIZE)})
    for number in range(4):
        write_files(root, {"large": b"no more\n", "a": b"%d\n" % number})
        git(root, "add", "-A")
        git(root, "commit", "-qm", "more")
    return git(root, "rev-list", "HEAD").split()


def copied(root: Path, made: list[str]) -> int:
    """Return how many of some commits are the store's own after the newest has arrived."""
    store = Store(str(root / ".git"), "test")
    try:
        store.arrive(made[0])
        store.objects.refresh()
        return sum(map(store.objects.owns, made))
    finally:
        store.close()


@pytest.mark.parametrize("keep", [loose, packed, packed_elsewhere, pack_is_elsewhere])
@pytest.mark.parametrize("blocks", [True, False])
def test_of_a_large_history_only_the_newest_commits_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Path], None], blocks: bool
) -> None:
    made, real = commits(folder / "r"), os.stat
    keep(folder / "r")
    monkeypatch.setattr(store_module, "BORROWED_LIMIT", 2)
    monkeypatch.setattr(store_module, "COPIED_LIMIT_BYTES", LIMIT)
    if not blocks:  # as some file systems tell it

        def without_blocks(*arguments: object, **named: object) -> os.stat_result:
            status = real(*arguments, **named)  # type: ignore[arg-type]
            return os.stat_result(tuple(status), {"st_blocks": 0})

        monkeypatch.setattr(os, "stat", without_blocks)
        monkeypatch.setattr(os, "lstat", without_blocks)
    assert copied(folder / "r", made) == 2


@pytest.mark.parametrize("keep", [loose, packed, packed_elsewhere])
def test_a_small_history_is_copied_completely(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Path], None]
) -> None:
    made = commits(folder / "r")
    keep(folder / "r")
    monkeypatch.setattr(store_module, "BORROWED_LIMIT", 2)
    assert copied(folder / "r", made) == 5
