"""Where no event tells that a file was closed, its writer counts as done when it has been quiet."""

from __future__ import annotations

import time
from pathlib import Path

from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.settling import SettlePatience
from bough_daemon.recording.watcher_portable import QUIET_NEW, PortableWatcher
from watchdog.events import DirMovedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent

from tests.daemon.support import make_repository


def watch(folder: Path, notified: list[None]) -> PortableWatcher:
    """Return a watcher that is told of events by the test."""
    worktree = Worktree.find(str(make_repository(folder, {"a": b"1"})))
    markers = str(folder / ".git/bough/markers")
    return PortableWatcher(worktree, markers, lambda paths: [], lambda: notified.append(None), SettlePatience())


def test_a_write_is_a_change_once_it_has_been_quiet(folder: Path) -> None:
    notified: list[None] = []
    seen = watch(folder, notified)
    began = time.monotonic()
    seen.on_any_event(FileModifiedEvent(str(folder / "a")))
    assert notified and seen.written() == {"a"} and not seen.take()
    assert began + 0.1 <= seen.due() <= time.monotonic() + 0.1
    while not (taken := seen.take()):
        assert time.monotonic() < began + 10.0
    assert taken.paths == {"a"} and seen.written() == set() and time.monotonic() > began + 0.1


def test_a_new_file_that_was_written_just_now_may_have_a_writer(folder: Path) -> None:
    seen = watch(folder, [])
    seen.on_any_event(FileCreatedEvent(str(folder / "new")))
    assert seen.take().paths == {"new"}
    assert seen.has_writer("new", QUIET_NEW / 2) and not seen.has_writer("new", QUIET_NEW)


def test_moves_are_told_with_the_former_name(folder: Path) -> None:
    seen = watch(folder, [])
    seen.on_any_event(FileModifiedEvent(str(folder / "d/x")))
    seen.on_any_event(DirMovedEvent(str(folder / "d"), str(folder / "e f")))
    seen.on_any_event(FileMovedEvent(str(folder / "e f/y"), str(folder / "z")))
    seen.on_any_event(FileMovedEvent(str(folder.parent / "from elsewhere"), str(folder / "in")))
    taken = seen.take()
    assert taken.paths == {"d", "e f", "e f/y", "z", "in"} and seen.written() == {"e f/x"}
    assert list(taken.former_names("z")) == ["e f/y", "d/y"] and list(taken.former_names("in")) == []
