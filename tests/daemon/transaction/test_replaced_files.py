"""Replaced files are removed after the command that replaced them, also where the daemon was killed in between."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bough_daemon.transaction.replaced_files import ReplacedFiles, remove_now

from tests.daemon.moves_support import Desk
from tests.daemon.recording.test_recorder import until

COUNT = 40


def stage(top: str, name: str) -> str:
    """Make a folder of replaced files."""
    folder = os.path.join(top, name)
    os.makedirs(folder)
    for number in range(COUNT):
        Path(folder, str(number)).write_bytes(b"old\n")
    return folder


@asynccontextmanager
async def removing(files: ReplacedFiles) -> AsyncIterator[asyncio.Task[None]]:
    """Have them removed until the end of the block."""
    task = asyncio.create_task(files.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def replaced(here: Desk) -> str:
    return os.path.join(here.store.folder, "stage", ".replaced")


def test_what_is_discarded_goes_and_so_does_what_a_killed_daemon_left(here: Desk) -> None:
    stage(replaced(here), "left")

    async def scene() -> None:
        files = ReplacedFiles(here.store)
        async with removing(files):
            await until(lambda: os.listdir(replaced(here)) == [])
            folder = stage(here.store.folder, "new")
            await asyncio.to_thread(files.discard, folder)
            assert not os.path.exists(folder)
            await until(lambda: os.listdir(replaced(here)) == [])

    asyncio.run(scene())


def test_the_end_of_the_daemon_does_not_wait_for_them(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(replaced(here), "left")
    begun, goes_on, real = threading.Event(), threading.Event(), os.unlink

    def slow(path: str) -> None:
        real(path)
        begun.set()
        goes_on.wait(10)

    async def scene() -> None:
        task = asyncio.create_task(ReplacedFiles(here.store).run())
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)  # the cancellation is heard
        goes_on.set()
        await asyncio.wait([task])
        assert task.cancelled()

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", slow)
        asyncio.run(scene())
    assert len(os.listdir(os.path.join(replaced(here), "left"))) == COUNT - 1


def test_a_purge_removes_them_all_while_the_daemon_does(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        stage(replaced(here), name)
    begun, goes_on, real = threading.Event(), threading.Event(), os.unlink
    purging = threading.get_ident()

    def slow(path: str, *, dir_fd: int | None = None) -> None:
        if threading.get_ident() != purging:
            begun.set()
            goes_on.wait(10)
        real(path, dir_fd=dir_fd)

    async def scene() -> None:
        files = ReplacedFiles(here.store)
        async with removing(files) as task:
            assert await asyncio.to_thread(begun.wait, 10)
            remove_now(here.store)
            assert os.listdir(replaced(here)) == []
            goes_on.set()
            await asyncio.to_thread(files.discard, stage(here.store.folder, "new"))
            await until(lambda: os.listdir(replaced(here)) == [])
        assert task.cancelled()

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", slow)
        asyncio.run(scene())


def test_a_folder_that_cannot_be_removed_does_not_keep_the_others(
    here: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two", "three"):
        stage(replaced(here), name)
    first, real = os.listdir(replaced(here))[0], os.unlink
    hindered = os.path.join(replaced(here), first)

    def unlink(path: str) -> None:
        if os.path.dirname(path) == hindered:
            raise PermissionError(errno.EACCES, "no", path)
        real(path)

    async def scene() -> None:
        async with removing(ReplacedFiles(here.store)) as task:
            await until(lambda: os.listdir(replaced(here)) == [first])
        assert task.cancelled()

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", unlink)
        asyncio.run(scene())
    assert len(os.listdir(hindered)) == COUNT
    assert hindered in caplog.text


def test_a_file_in_place_of_their_folder_is_no_failure(here: Desk) -> None:
    Path(here.store.folder, "stage").mkdir(exist_ok=True)
    Path(replaced(here)).write_bytes(b"")

    async def scene() -> None:
        files = ReplacedFiles(here.store)
        async with removing(files):
            await until(lambda: not files._more.is_set())
            await asyncio.sleep(0)
            os.unlink(replaced(here))
            files.discard(stage(here.store.folder, "new"))
            await until(lambda: os.listdir(replaced(here)) == [])

    asyncio.run(scene())


@pytest.mark.parametrize("hindered", [False, True])
def test_a_command_that_is_done_does_not_fail_for_what_it_leaves(here: Desk, hindered: bool) -> None:
    folder = os.path.join(here.store.folder, "gone")
    if hindered:
        stage(here.store.folder, "gone")
        Path(here.store.folder, "stage").mkdir(exist_ok=True)
        Path(replaced(here)).write_bytes(b"")  # no folder can be made there

    async def scene() -> None:
        await asyncio.to_thread(ReplacedFiles(here.store).discard, folder)

    asyncio.run(scene())
    assert os.path.exists(folder) == hindered
