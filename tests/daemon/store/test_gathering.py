"""Loose objects are packed while the store is in use, and saves do not wait for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import timeline
from bough_daemon.store import gathering
from bough_daemon.store.packs import run_child
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread

from tests.daemon.support import git, make_repository, tidied

SAVES = 20


class Saving:
    """A store with a branch that can be saved on."""

    def __init__(self, root: Path) -> None:
        self.root = make_repository(root, {"a": b"1"})
        self.store = Store(str(self.root / ".git"), "test")
        self.branch = Branch(self.store, "alice", "Alice <a@example.org>")
        self.base = git(self.root, "rev-parse", "HEAD")

    def save(self, text: str) -> str:
        """Save a file with a text, and return the new tip."""
        blob = self.store.objects.write_blob(text.encode())
        tree = self.store.objects.splice(None, {"a": TreeEntry(FILE, blob)})
        return self.branch.save(tree, self.base).oid

    def has_all(self) -> bool:
        """Return whether each snapshot can be read, by Bough and by Git."""
        tip = self.branch.tip
        assert tip is not None
        texts = {
            self.store.objects.blob(one.oid)
            for s in timeline(self.store.objects, tip.oid)
            for one in self._files(s.tree)
        }
        git(Path(self.store.path), "fsck", "--strict")
        return texts == {str(number).encode() for number in range(len(texts))}

    def _files(self, tree: str) -> list[TreeEntry]:
        return [entry for _, entry in self.store.objects.walk(tree)]


@pytest.fixture
def saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saving]:
    """Return a store in which a few objects are many."""
    monkeypatch.setattr(gathering, "LOOSE_LIMIT", 2 * SAVES)
    made = Saving(tmp_path / "r")
    for number in range(SAVES):
        made.save(str(number))
    yield made
    made.store.close()


def test_saves_go_on_while_objects_are_packed(saving: Saving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who type for two minutes make thousands of objects; packing them took up to seconds of the store's thread."""
    owner = StoreThread("store")

    async def run() -> None:
        packed, saved = asyncio.Event(), asyncio.Event()

        async def slow(*arguments: Any, **named: Any) -> None:
            await run_child(*arguments, **named)
            packed.set()
            await saved.wait()

        monkeypatch.setattr("bough_daemon.store.gathering.run_child", slow)
        tidying = asyncio.create_task(gathering.tidy(saving.store, owner))
        await packed.wait()
        for number in range(SAVES):
            await owner.run(saving.save, str(SAVES + number))
        saved.set()
        assert await tidying

    asyncio.run(run())
    owner.close()
    assert 0 < len(saving.store.objects.loose()) <= 3 * SAVES
    assert saving.has_all()


def test_a_daemon_that_is_killed_while_it_removes_what_is_packed_loses_nothing(
    saving: Saving, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink, removed = os.unlink, list[str]()

    def killed(path: str) -> None:
        if len(removed) == SAVES:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "unlink", killed)
        gathering._remove_packed(saving.store, _packed(saving.store))
    saving.store.refresh()
    assert saving.has_all() and saving.store.objects.loose()
    monkeypatch.setattr(gathering, "LOOSE_LIMIT", 1)
    assert tidied(saving.store) and not saving.store.objects.loose()
    assert saving.has_all()


def _packed(store: Store) -> list[str]:
    """Pack the loose objects of a store, and return their names."""
    loose = store.objects.loose()
    asyncio.run(gathering._pack(store, [], loose))
    return loose
