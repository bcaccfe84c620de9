"""Watch a working tree without inotify, with watchdog's observer for the platform."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from watchdog.events import EVENT_TYPE_MODIFIED, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.events import Gathered
from bough_daemon.recording.settling import SettlePatience

QUIET = 0.1  # seconds after the last write in which a file counts as being written: no event reports its closing
QUIET_NEW = 2.0  # the same for a new file, which must not be shared incomplete


class PortableWatcher(Gathered, FileSystemEventHandler):
    """Watch the whole tree and the git directory; ignored paths are filtered when the snapshot is taken."""

    def __init__(
        self,
        worktree: Worktree,
        markers: str,
        left_out: Callable[[list[str]], list[bool]],
        notify: Callable[[], None],
        patience: SettlePatience,
    ) -> None:
        super().__init__(worktree, markers, notify, replace(patience, quiet=QUIET))
        self.limited = False

    def start(self) -> None:
        """Start watching; after it returns, no change is missed."""
        self._observer = Observer()
        self._observer.schedule(self, os.fsdecode(self._root), recursive=True)
        for folder in self._git_dirs:
            if not folder.startswith(self._root + b"/"):
                self._observer.schedule(self, os.fsdecode(folder), recursive=True)
        self._observer.start()

    def stop(self) -> None:
        """Stop, and join the thread."""
        self._observer.stop()
        self._observer.join()

    def restart(self) -> None:
        """Restart watching."""
        self.stop()
        self.start()
        self.failure = None

    def rescan(self) -> None:
        """Do nothing: the whole tree is watched."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Sort one event into the changes."""
        paths = [os.fsencode(path) for path in (event.src_path, event.dest_path) if path]
        inside = [os.fsdecode(path[len(self._root) + 1 :]) for path in paths if self._sort(path)]
        if len(inside) == 2:
            self._add_moved(*inside)
        elif inside and event.event_type == EVENT_TYPE_MODIFIED and not event.is_directory:
            self._add_written(inside[0])
        elif inside:
            self._add_path(inside[0])

    def has_writer(self, path: str, age: float) -> bool:
        """Return whether a program may have a file open for writing that changed `age` seconds ago."""
        return age < QUIET_NEW

    def _sort(self, path: bytes) -> bool:
        """Sort events outside the working tree; return whether a path is inside."""
        folder, _, name = path.rpartition(b"/")
        if folder == os.fsencode(self._markers):
            self._pass(os.fsdecode(name))
        elif any(path.startswith(git + b"/") for git in self._git_dirs):
            if not path.startswith(os.path.dirname(os.fsencode(self._markers)) + b"/"):
                self._add_git_path(folder, os.fsdecode(name))
        else:
            return path.startswith(self._root + b"/")
        return False
