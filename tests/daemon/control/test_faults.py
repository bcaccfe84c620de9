"""No failure stops the recording without a word, and none for good; the machine's faults have their own words."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bough_cli.failure import TABLE, hint_of
from bough_daemon import errors
from bough_daemon.errors import BoughError
from bough_daemon.faults import fault_of, obstacle_to
from bough_daemon.recording.recorder import Recorder

from tests.daemon.recording.test_recorder import live, recorded, until
from tests.daemon.support import make_repository

PATH = "/some/where"


def of_the_system(number: int, path: str | None = PATH) -> OSError:
    return OSError(number, os.strerror(number), path)


FAILURES: list[tuple[Exception, type[BoughError], str]] = [
    (of_the_system(errno.EACCES), errors.NotPermitted, "permission denied: /some/where"),
    (of_the_system(errno.EPERM), errors.NotPermitted, "permission denied: /some/where"),
    (of_the_system(errno.EROFS), errors.ReadOnlyDisk, "/some/where is on a read-only file system"),
    (of_the_system(errno.ENAMETOOLONG), errors.PathTooLong, "/some/where: File name too long"),
    (of_the_system(errno.EIO), errors.SystemFailed, "/some/where: Input/output error"),
    (of_the_system(errno.ELOOP), errors.SystemFailed, "/some/where: Too many levels of symbolic links"),
    (of_the_system(errno.ESTALE), errors.SystemFailed, "/some/where: Stale file handle"),
    (of_the_system(errno.EMFILE), errors.LimitReached, "/some/where: Too many open files"),
    (of_the_system(errno.ENFILE, None), errors.LimitReached, "Too many open files in system"),
    (of_the_system(errno.ENOSPC), errors.DiskFull, "the disk is full"),
    (of_the_system(errno.EDQUOT), errors.DiskFull, "the disk is full"),
    (OSError(errno.ENOSPC, "inotify watch limit reached"), errors.LimitReached, "inotify watch limit reached"),
    (OSError(errno.EMFILE, "inotify instance limit reached"), errors.LimitReached, "inotify instance limit reached"),
    (OSError("failed to create temporary file '/x/y': Read-only file system"), errors.ReadOnlyDisk, "/x/y is on"),
    (OSError("failed to mkdir: Permission denied"), errors.NotPermitted, "failed to mkdir: Permission denied"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "git"), errors.GitTooOld, "git is not on the PATH"),
    (MemoryError(), errors.LimitReached, "out of memory"),
    (errors.GitFailed("git add failed: bad config"), errors.GitFailed, "bad config"),
    (RuntimeError("boom"), errors.DaemonFailed, "RuntimeError: boom"),
    (of_the_system(errno.EBADF), errors.DaemonFailed, "Bad file descriptor"),
]


@pytest.mark.parametrize(("failure", "kind", "words"), FAILURES, ids=lambda value: str(value)[:60])
def test_a_failure_has_the_words_and_the_remedy_for_what_it_is(
    failure: Exception, kind: type[BoughError], words: str
) -> None:
    fault = fault_of(failure)
    assert type(fault) is kind and words in fault.message
    code = next(TABLE[base][0] for base in kind.__mro__ if base in TABLE)
    assert code == (70 if kind is errors.DaemonFailed else 1)
    bug = "This is a bug in Bough" in hint_of(fault)
    assert bug == (kind is errors.DaemonFailed)
    assert bug or kind is errors.GitFailed or hint_of(fault)
    assert "…" not in hint_of(fault)


def test_the_limits_of_the_kernel_name_the_setting() -> None:
    assert "max_user_watches" in hint_of(fault_of(OSError(errno.ENOSPC, "inotify watch limit reached")))
    assert "max_user_instances" in hint_of(fault_of(OSError(errno.EMFILE, "inotify instance limit reached")))


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away takes root")
def test_what_belongs_to_another_is_named_with_its_owner_and_the_way_to_get_it_back(folder: Path) -> None:
    inside = folder / "bough" / "store.git"
    inside.mkdir(parents=True)
    (inside / "lock").touch()
    for path in (folder / "bough", inside, inside / "lock"):
        os.chown(path, 12345, 12345)
    fault = fault_of(of_the_system(errno.EACCES, str(inside / "lock" / "not there")))
    assert fault.message == f"permission denied: {folder / 'bough'} belongs to 12345"
    assert f"sudo chown -R root '{folder / 'bough'}'" in hint_of(fault)


def test_nothing_is_in_the_way_of_a_folder_that_can_be_written(folder: Path) -> None:
    assert obstacle_to(str(folder)) is None
    assert obstacle_to("/proc/self") is not None or os.access("/proc/self", os.W_OK)


def step(owner: str, name: str) -> Callable[[Recorder], tuple[Any, str]]:
    """Return how to find an attribute of a session's parts: `snapshots.index`, `changed`."""

    def find(session: Recorder) -> tuple[Any, str]:
        at: Any = session
        for part in filter(None, owner.split(".")):
            at = getattr(at, part)
        return at, name

    return find


STEPS = {
    "rules": step("snapshots", "forget_rules"),
    "watching": step("_watch", "rescan"),
    "the index": step("snapshots.index", "changed"),
    "git add": step("snapshots._shadow", "add_all"),
    "all files": step("snapshots", "everything"),
    "HEAD": step("_head_reader", "read"),
    "the branch": step("branch", "save"),
    "writing": step("store.objects", "write"),
    "linked repositories": step("snapshots", "linked"),
}


ONE_OF_EACH = list({kind: (failure, kind, words) for failure, kind, words in FAILURES}.values())


@pytest.mark.parametrize("name", STEPS)
def test_recording_says_when_it_stops_and_goes_on_by_itself(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            for number, (failure, kind, words) in enumerate(ONE_OF_EACH):

                def fail(*_: Any, failure: Exception = failure, **__: Any) -> Any:
                    raise failure

                with monkeypatch.context() as broken:
                    part, attribute = STEPS[name](session)
                    broken.setattr(part, attribute, fail)
                    session._pending.lost = session._pending.rules = True
                    (folder / "a").write_bytes(b"%d" % number)
                    await until(lambda: session.failure is not None)
                    assert "not recording" in session.state() and words in session.state()
                    with pytest.raises(kind) as refused:
                        await session.save()
                    assert refused.value is session.failure is session.trouble()
                (folder / "a").write_bytes(b"later %d" % number)
                await recorded(told, folder, tmp_path)
                assert session.state() == "live"
                assert not session.failing()
            assert session.failing() == []

    asyncio.run(scene())


def test_what_was_saved_while_nothing_could_be_recorded_is_recorded_without_another_save(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            with monkeypatch.context() as broken:
                broken.setattr(session.snapshots, "after", lambda *_: 1 / 0)
                broken.setattr(session.snapshots, "everything", lambda *_: 1 / 0)
                (folder / "a").write_bytes(b"2")
                await until(lambda: session.failure is not None)
            await recorded(told, folder, tmp_path)

    asyncio.run(scene())


@pytest.mark.parametrize("name", ["_settle", "announce"])
def test_a_loop_of_the_recording_that_fails_is_started_again_and_told_of(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            before = getattr(session, name)
            with monkeypatch.context() as broken:
                broken.setattr(session, name, lambda: 1 / 0)
                (folder / "a").write_bytes(b"2")
                await until(lambda: session.failing() != [])
                broken.setattr(session, name, before)
            await recorded(told, folder, tmp_path)
            (failing,) = session.failing()
            assert failing.work == "recording" and "ZeroDivisionError" in failing.reason

    asyncio.run(scene())


def test_the_objects_of_a_commit_are_copied_when_that_failed_at_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1"})
    made: list[str] = []

    async def scene() -> None:
        async with live(folder) as (session, _):
            arrive = session.store.arrive

            def fails_once(commit: str) -> None:
                made.append(commit)
                if len(made) == 1:
                    raise of_the_system(errno.EIO)
                arrive(commit)

            monkeypatch.setattr(session.store, "arrive", fails_once)
            session._arrivals.put_nowait(session.head.commit)
            await until(lambda: len(made) == 2)
            assert made == [session.head.commit] * 2
            assert session.failing()[0].work == "copying the objects of commits"

    asyncio.run(scene())
