"""Watch a working tree where there is no inotify: by the observer that watchdog has for the platform."""

from __future__ import annotations

import os
from collections.abc import Callable

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from bough_daemon.changes import Gathered
from bough_daemon.worktree import Worktree


class FolderWatch(Gathered, FileSystemEventHandler):
    """Watch the whole tree and the git directory; what Git ignores is sorted out when the snapshot is taken."""

    def __init__(
        self,
        worktree: Worktree,
        markers: str,
        left_out: Callable[[list[str]], list[bool]],
        notify: Callable[[], None],
    ) -> None:
        super().__init__(worktree, markers, notify)
        self.limited = False

    def start(self) -> None:
        """Begin to watch; when it returns, no later change is missed."""
        self._observer = Observer()
        self._observer.schedule(self, os.fsdecode(self._root), recursive=True)
        for folder in self._git_dirs:
            if not folder.startswith(self._root + b"/"):
                self._observer.schedule(self, os.fsdecode(folder), recursive=True)
        self._observer.start()

    def stop(self) -> None:
        """End, and join the thread."""
        self._observer.stop()
        self._observer.join()

    def rescan(self) -> None:
        """Nothing: the whole tree is watched."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Sort one event into the changes."""
        for path in (event.src_path, event.dest_path):
            if path:
                self._sort(os.fsencode(path))

    def _sort(self, path: bytes) -> None:
        folder, _, name = path.rpartition(b"/")
        if folder == os.fsencode(self._markers):
            self._pass(os.fsdecode(name))
        elif any(path.startswith(git + b"/") for git in self._git_dirs):
            if not path.startswith(os.path.dirname(os.fsencode(self._markers)) + b"/"):
                self._add_git_path(folder, os.fsdecode(name))
        elif path.startswith(self._root + b"/"):
            self._add_path(os.fsdecode(path[len(self._root) + 1 :]))
