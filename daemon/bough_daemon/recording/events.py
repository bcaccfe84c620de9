"""Collect what has changed in a working tree since the last look, from the watcher's thread."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bough_daemon.git.paths import STAGE
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.settling import SettlePatience, Writers

RULE_FILES = {".gitignore", ".gitattributes", ".gitmodules"}
GIT_FILES = {"HEAD", "index", "config", "config.worktree", "packed-refs", "logs"}
GIT_RULE_FILES = {"config", "config.worktree", "exclude", "attributes", "sparse-checkout"}


@dataclass
class EventCollector:
    """The events since the last look.

    `paths`: files and folders, relative to the top, except those that a program has not closed. `moved`: former names,
    by new name. `git`: HEAD, a reference or the index may have moved. `rules`: ignore rules, attributes or
    configuration changed. `lost`: events were lost, so anything may have changed.
    """

    paths: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    git: bool = False
    rules: bool = False
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.paths or self.git or self.rules or self.lost)

    def former_names(self, path: str) -> Iterator[str]:
        """Yield the former names of a path, newest first."""
        for _ in range(len(self.moved)):
            above = path
            while above and above not in self.moved:
                above = above.rpartition("/")[0]
            if not above:
                return
            path = self.moved[above] + path[len(above) :]
            yield path


class Gathered:
    """Collect changes from a thread until they are taken.

    `notify` is called from that thread at the first change after a `take`, and at every marker. `failure`: what the
    thread ended with; None while it runs.
    """

    def __init__(self, worktree: Worktree, markers: str, notify: Callable[[], None], patience: SettlePatience) -> None:
        self._root = os.fsencode(worktree.root)
        self._git_dirs = {os.fsencode(path) for path in (worktree.git_dir, worktree.common_dir)}
        self._markers = markers
        self._notify = notify
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._changes = EventCollector()
        self._writers = Writers(patience)
        self._passed: set[str] = set()
        self._events = 0
        self._last = 0.0
        self._count = itertools.count()
        os.makedirs(markers, mode=0o700, exist_ok=True)

    def take(self) -> EventCollector:
        """Return what happened since the last call; an open file counts once its writer was waited for long enough."""
        with self._lock:
            self._changes.paths |= self._writers.overdue(time.monotonic())
            taken, self._changes, self._events = self._changes, EventCollector(), 0
        return taken

    def seen(self) -> tuple[float, int]:
        """Return when the last event arrived (seconds, monotonic) and how many arrived since the last `take`."""
        with self._lock:
            return self._last, self._events

    def written(self) -> set[str]:
        """Return the paths that a program has changed and not closed yet."""
        with self._lock:
            return self._writers.paths()

    def due(self) -> float:
        """Return the moment (monotonic) when there is something to take; infinite if nothing has happened."""
        with self._lock:
            return 0.0 if self._changes else self._writers.due()

    def mark(self) -> str:
        """Send a marker through the queue of events: when it has passed, everything before it is collected."""
        name = f"{os.getpid()}-{next(self._count)}"
        path = os.path.join(self._markers, name)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        os.unlink(path)
        return name

    def passed(self) -> set[str]:
        """Return the markers that have passed since the last call."""
        with self._lock:
            passed, self._passed = self._passed, set()
        return passed

    def _add(self, paths: Iterable[str] = (), *, git: bool = False, rules: bool = False, lost: bool = False) -> None:
        with self._lock:
            first = not self._changes
            self._changes.paths.update(paths)
            self._changes.git |= git
            self._changes.rules |= rules
            self._changes.lost |= lost
            self._events += 1
            self._last = time.monotonic()
        if first:
            self._notify()

    def _pass(self, marker: str) -> None:
        with self._lock:
            self._passed.add(marker)
        self._notify()

    def _add_path(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if not name.startswith(STAGE):
            self._add([path], rules=name in RULE_FILES)

    def _add_written(self, path: str) -> None:
        """Record that a program wrote and still has the file open, which is not a change yet."""
        with self._lock:
            first = not self._writers
            self._writers.wrote(path, time.monotonic())
        if first:
            self._notify()

    def _add_closed(self, path: str) -> None:
        """Record that a writer has closed a file, or that the file is gone."""
        with self._lock:
            self._writers.closed(path)
        self._add_path(path)

    def _add_moved(self, old: str, new: str) -> None:
        """Record that a file or folder was renamed."""
        with self._lock:
            self._writers.moved(old, new)
            former = self._changes.moved.pop(old, old)
            if new != former:
                self._changes.moved[new] = former
        self._add_path(old)
        self._add_path(new)

    def _add_git_path(self, folder: bytes, name: str) -> None:
        """Record that something in the git directory changed: `name` in `folder`."""
        inside = folder not in self._git_dirs
        if (inside or name in GIT_FILES) and not name.endswith(".lock"):
            self._add(git=True, rules=name in GIT_RULE_FILES)
