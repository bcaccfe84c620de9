"""Large files are read beside everything else: no small save waits, and nothing of them is lost or taken back."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.command import LineProtocol
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.timeline import Snapshot
from bough_daemon.recording import large_files, tree_builder
from bough_daemon.recording.file_entries import FileEntries
from bough_daemon.recording.large_files import LargeFiles
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import ExactSave
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.store.store import Store

from tests.daemon.recording.test_recorder import live, recorded, until
from tests.daemon.support import git, make_repository, tree_by_git, write_files

LARGE = 1000  # bytes


class Gate:
    """Whether large files may be read now. `read`: what has been. `waiting`: files with a gate of their own."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.waiting: dict[str, threading.Event] = {}
        self.read: list[str] = []


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made, real = Gate(), LargeFiles.read

    def read(self: LargeFiles, path: str) -> None:
        made.read.append(path)
        assert made.waiting.get(path, made.open).wait(30)
        real(self, path)

    monkeypatch.setattr(LargeFiles, "read", read)
    for module in (large_files, tree_builder):
        monkeypatch.setattr(module, "LARGE_BYTES", LARGE)
    yield made
    for one in (made.open, *made.waiting.values()):
        one.set()


def content(session: Recorder, path: str) -> bytes | None:
    """Return what the newest snapshot has of a file."""
    tip, objects = session.branch.tip, session.store.objects
    entry = objects.entry(tip.tree, path) if tip is not None else None
    return objects.blob(entry.oid) if entry is not None else None


def large(letter: bytes) -> bytes:
    """Return the content of a large file."""
    return letter * LARGE


def test_a_small_save_does_not_wait_for_a_large_file(folder: Path, tmp_path: Path, gate: Gate) -> None:
    make_repository(folder, {"a": b"1", "b ig": large(b"1")})

    async def scene() -> None:
        async with live(folder) as (session, told):
            gate.open.clear()
            write_files(folder, {"b ig": large(b"2"), "new": large(b"3")})
            await until(lambda: "b ig" in session.reading())
            write_files(folder, {"a": b"2"})
            await until(lambda: content(session, "a") == b"2")
            assert (content(session, "b ig"), content(session, "new")) == (large(b"1"), None)
            gate.open.set()
            await recorded(told, folder, tmp_path)
            await until(lambda: not session.reading())
            assert content(session, "b ig") == large(b"2")

    asyncio.run(scene())


def test_what_has_the_same_status_is_not_read_again_and_a_touch_changes_nothing(folder: Path, gate: Gate) -> None:
    make_repository(folder, {"a": b"1", "big": large(b"1")})

    async def scene() -> None:
        async with live(folder) as (session, told):
            os.utime(folder / "big")
            await until(lambda: gate.read == ["big"] and not session.reading())
            for number in range(3):
                with (folder / "big").open("r+b"):
                    pass  # closed after it was open for writing: an event, and nothing else
                write_files(folder, {"a": b"%d" % number})
                await session.save()
            assert gate.read == ["big"] and content(session, "big") == large(b"1")
            assert {one.tree for one in told} == {one.tree for one in told if one.title in ("first snapshot", "a")}

    asyncio.run(scene())


def test_an_exact_save_waits_for_what_is_being_read_and_for_what_changes_meanwhile(
    folder: Path, tmp_path: Path, gate: Gate
) -> None:
    make_repository(folder, {"big": large(b"0")})

    async def scene() -> None:
        async with live(folder) as (session, _):
            for number in range(1, 4):
                gate.open.clear()
                write_files(folder, {"big": large(b"%d" % number), "new": large(b"n")})
                await until(lambda: "big" in session.reading())
                write_files(folder, {"big": large(b"x") + b"%d" % number})
                saving = asyncio.create_task(session.save())
                await asyncio.wait({saving}, timeout=0.2)
                assert not saving.done()
                gate.open.set()
                assert (await saving).tree == tree_by_git(folder, tmp_path)

    asyncio.run(scene())


def test_an_exact_save_has_what_another_snapshot_found_and_had_to_read(
    folder: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"big": large(b"0")})
    gate.waiting["new"] = threading.Event()
    real, looked = Recorder._snapshot, asyncio.Event()

    async def snapshot(self: Recorder, exact: ExactSave | None = None) -> Snapshot:
        try:
            return await real(self, exact)
        finally:
            if exact is not None:
                looked.set()

    monkeypatch.setattr(Recorder, "_snapshot", snapshot)

    async def scene() -> None:
        async with live(folder) as (session, _):
            gate.open.clear()
            write_files(folder, {"big": large(b"1")})
            await until(lambda: "big" in session.reading())
            saving = asyncio.create_task(session.save())
            await looked.wait()  # it waits for `big` now
            write_files(folder, {"new": large(b"n")})
            await until(lambda: "new" in session.reading())
            gate.open.set()
            assert (await saving).tree == tree_by_git(folder, tmp_path)
            gate.waiting["new"].set()
            await until(lambda: not session.reading())

    asyncio.run(scene())


def test_what_git_switches_or_commits_is_never_taken_back_while_it_is_read(
    folder: Path, tmp_path: Path, gate: Gate
) -> None:
    make_repository(folder, {"a": b"1", "big": large(b"1")})
    git(folder, "switch", "-q", "-c", "other")
    write_files(folder, {"big": large(b"2")})
    git(folder, "commit", "-qam", "other")

    async def scene() -> None:
        async with live(folder) as (session, told):
            gate.open.clear()
            objects = session.store.objects
            for words in (["switch", "-q", "-"], ["switch", "-q", "other"], ["switch", "-q", "-"]):
                git(folder, *words)
                await until(lambda: told[-1].base == git(folder, "rev-parse", "HEAD"))
                await until(lambda: told[-1].tree == objects.commit(told[-1].base).tree)
            for one in told:
                assert objects.entry(one.tree, "big") == objects.entry(objects.commit(one.base).tree, "big")
            gate.open.set()
            write_files(folder, {"big": large(b"3")})
            git(folder, "commit", "-qam", "mine")
            await recorded(told, folder, tmp_path)
            await until(lambda: not session.reading())

    asyncio.run(scene())


def test_what_the_index_vouches_for_is_not_read(folder: Path, gate: Gate) -> None:
    make_repository(folder, {"a": b"1", "big": large(b"1")})
    later = time.time() + 5
    worktree = Worktree.find(str(folder))
    store = Store(worktree.common_dir, "test")
    made = TreeBuilder(worktree, store)
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    without = store.objects.splice(tree, {"big": None})
    made.heads = (tree, tree)
    os.utime(folder / "big", (later - 10, later - 10))
    for is_vouched in (False, True):
        if is_vouched:
            git(folder, "update-index", "--refresh")
            os.utime(folder / ".git/index", (later, later))  # younger than the file, whatever the clock's steps are
        assert made.after(without, {"big"}) == (tree if is_vouched else without)
        assert made.large.take_wanted() == (set() if is_vouched else {"big"})
    os.utime(folder / ".git/index", (later - 20, later - 20))  # as old as the file: it may have changed since
    made.large.forget()
    assert made.after(without, {"big"}) == without and made.large.take_wanted() == {"big"}
    made.close()
    made.large.close()
    store.close()


def test_a_large_file_that_cannot_be_converted_is_withheld_until_it_can(folder: Path, gate: Gate) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n"})
    git(folder, "config", "filter.up.clean", "echo no >&2; false")
    git(folder, "config", "filter.up.required", "true")

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {"big.up": large(b"a"), "b": b"1"})
            await until(lambda: "big.up" in session.snapshots.unreadable and content(session, "b") == b"1")
            git(folder, "config", "filter.up.clean", "tr a-z A-Z")
            await session.save()
            await until(lambda: content(session, "big.up") == large(b"A"))
            assert session.snapshots.unreadable == {}

    asyncio.run(scene())


def test_stopping_does_not_wait_for_a_large_file(folder: Path, gate: Gate) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n"})
    git(folder, "config", "filter.up.clean", "sleep 600")

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {"big.up": large(b"a"), "b": b"1"})
            await until(lambda: gate.read == ["big.up"] and content(session, "b") == b"1")
            began = time.monotonic()
        assert time.monotonic() - began < 20

    asyncio.run(scene())


def test_of_a_file_that_changes_while_it_is_read_nothing_is_kept(
    folder: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1", "b ig": large(b"1")})
    real, torn = FileEntries._take_from_spool, list[str]()

    def taken(self: FileEntries, oid: str, source: str) -> None:
        torn.append(oid)
        real(self, oid, source)

    asked = LineProtocol.ask

    def changing(self: LineProtocol, question: bytes, fields: int, terminator: bytes) -> list[bytes]:
        answer = asked(self, question, fields, terminator)
        if b"b ig" in question and len(changes) < 3:
            changes.append(answer[0].decode())
            (folder / "b ig").write_bytes(large(b"%d" % (len(changes) + 4)))
        return answer

    changes = list[str]()
    monkeypatch.setattr(FileEntries, "_take_from_spool", taken)
    monkeypatch.setattr(LineProtocol, "ask", changing)

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {"b ig": large(b"2")})
            await until(lambda: content(session, "b ig") == large(b"7") and not session.reading())
            assert len(changes) == 3 and not set(changes) & set(torn)
            assert not any(session.store.objects.exists(oid) for oid in changes)
            spool = Path(session.store.folder) / "spool"
            assert not [path for path in spool.rglob("*") if path.is_file()]

    asyncio.run(scene())
