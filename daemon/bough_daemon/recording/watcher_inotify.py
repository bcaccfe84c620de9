"""Watch a working tree on Linux: one inotify watch per folder that Git does not ignore, on one descriptor.

watchdog's recursive observer would watch ignored folders too, and livelocks on large trees with its default mask; its
inotify half, which lets a caller choose folders and mask and reports overflow, does not.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOMEM, ENOSPC

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from bough_daemon.git.root_dir import is_being_written
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.events import Gathered
from bough_daemon.recording.settling import SettlePatience

LIMITS = {ENOSPC, EMFILE, ENFILE, ENOMEM}  # of the kernel; any other number concerns only the folder itself
log = logging.getLogger(__name__)

MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)


class _Source(InotifyFD):
    """The thread that reads the kernel's events. `on_failure` is called from it if it fails before `stop`."""

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        super().__init__()
        self._on_failure = on_failure

    def run(self) -> None:
        """Read events until `stop`."""
        try:
            super().run()
        except Exception as failure:
            self._is_reading = False  # so that `close` releases the queue, which it otherwise leaves to a reader
            self._on_failure(failure)


class InotifyWatcher(Gathered):
    """Watch the folders with tracked or new files, the git directory, and the markers, in one inotify queue.

    `left_out` returns for folders, relative to the top, whether they are skipped; this thread calls it too. `limited`:
    the kernel's limit of watches was reached, so changes in some folders go unnoticed.
    """

    def __init__(
        self,
        worktree: Worktree,
        markers: str,
        left_out: Callable[[list[str]], list[bool]],
        notify: Callable[[], None],
        patience: SettlePatience,
    ) -> None:
        super().__init__(worktree, markers, notify, patience)
        self._ask = left_out
        self._leaving: tuple[int, str] | None = None  # the first half of a rename: the cookie of its events, the path
        self.limited = self._warned = False
        self._closed: set[bytes] = set()
        self._paths: dict[WatchDescriptor, bytes] = {}
        self._folders: dict[bytes, WatchDescriptor] = {}
        self._watching = threading.RLock()

    def start(self) -> None:
        """Start watching; the working tree is watched from the first `rescan` on."""
        self._source = _Source(self._fail)
        self._source.start()
        try:
            self._watch(os.fsencode(self._markers))
            for folder in self._git_dirs:
                for inner in (b"", b"info", b"logs", b"refs/heads"):
                    self._watch(os.path.join(folder, inner).rstrip(b"/"))
        except BaseException:
            self.stop()
            raise

    def _fail(self, failure: Exception) -> None:
        self.failure = failure
        self._add(lost=True)

    def restart(self) -> None:
        """Restart after a failure; the next `rescan` watches the working tree."""
        self.stop()
        with self._watching:
            self._paths.clear()
            self._folders.clear()
        self.start()
        self.failure = None

    def stop(self) -> None:
        """Stop, and join the thread."""
        self._source.stop()
        self._source.join()

    def rescan(self) -> None:
        """Watch every folder that should be watched and is not yet; no change after this is missed."""
        self.limited = False  # the limit may have been raised
        self._watch_below("")

    # Called from the source's thread.

    def on_event(self, event: InotifyEvent) -> None:
        """Sort one of the kernel's events into the changes; any failure counts as lost events."""
        try:
            self._sort(event)
        except Exception:
            log.exception("an event could not be handled")
            self._add(lost=True)

    def _sort(self, event: InotifyEvent) -> None:
        folder = self._paths.get(event.wd)
        if folder is None:
            return
        name = os.fsdecode(event.name)
        if folder == os.fsencode(self._markers):
            if event.is_create:
                self._pass(name)
        elif any(folder == git or folder.startswith(git + b"/") for git in self._git_dirs):
            self._add_git_path(folder, name)
        else:
            below = os.fsdecode(folder[len(self._root) + 1 :])
            if name and name.lower() != ".git":
                self._sort_file(f"{below}/{name}" if below else name, event)
            elif name and below:
                self._add_path(below)  # a folder has become a nested repository, or is no longer one

    def has_writer(self, path: str, age: float) -> bool:
        """Return whether a program has a file open for writing that changed `age` seconds ago. From any thread."""
        folder, _, name = path.rpartition("/")
        try:
            opened = os.open(os.path.join(os.fsdecode(self._root), folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return is_being_written(opened, name)
        except OSError:
            return False  # gone or unreadable: then it is not recorded either
        finally:
            os.close(opened)

    def _sort_file(self, path: str, event: InotifyEvent) -> None:
        if event.is_directory and (event.is_create or event.is_moved_to):
            self._watch_below(path)
        elif event.is_directory and (event.is_moved_from or event.is_delete):
            self._forget_below(path)
        if event.is_moved_from or event.is_moved_to:
            self._sort_move(path, event)
        elif event.is_modify:
            self._add_written(path)
        elif event.is_close_write or event.is_delete:
            self._add_closed(path)
        elif not (event.is_directory and event.is_attrib) or self._access_changed(path):
            self._add_path(path)

    def _sort_move(self, path: str, event: InotifyEvent) -> None:
        """Pair the two halves of a rename; the kernel sends them in sequence if both folders are watched."""
        leaving, self._leaving = self._leaving, None
        if event.is_moved_from:
            self._leaving = (event.cookie, path)
            self._add_path(path)
        elif leaving is not None and leaving[0] == event.cookie:
            self._add_moved(leaving[1], path)
        else:
            self._add_path(path)

    def _access_changed(self, path: str) -> bool:
        """Return whether a folder has become readable or unreadable."""
        full = os.path.join(self._root, os.fsencode(path))
        closed = not os.access(full, os.R_OK | os.X_OK)
        if closed == (full in self._closed):
            return False
        if closed:
            self._closed.add(full)
        else:
            self._closed.discard(full)
            self._watch_below(path)
        return True

    def on_queue_overflow(self) -> None:
        """Record that the kernel lost events."""
        self._add(lost=True)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Forget a folder that is gone."""
        with self._watching:
            path = self._paths.pop(wd, None)
            if path is not None and self._folders.get(path) == wd:
                del self._folders[path]

    # The set of watched folders.

    def _watch(self, path: bytes) -> bool:
        """Watch one folder; return False if it is gone. A folder that is already watched is left alone."""
        with self._watching:
            if path in self._folders:
                return True
            try:
                wd = self._source.add_callback(path, MASK, self, CallbackId(id(self)))
            except OSError as failure:
                if failure.errno in LIMITS:
                    self._limit_reached(failure)
                return False  # else it is gone, not a folder any longer, or inaccessible
            if wd < 0:  # it is unreadable
                self._closed.add(path)
                return False
            self._closed.discard(path)
            self._paths[wd] = path
            self._folders[path] = wd
            return True

    def _limit_reached(self, failure: OSError) -> None:
        if not self._warned:
            log.warning("not every folder can be watched: %s", failure)
        self.limited = self._warned = True

    def _watch_below(self, top: str) -> None:
        """Watch a folder and the folders below it that are not left out."""
        pending = [top] if not top or not self._left_out([top])[0] else []
        while pending:
            at = pending.pop()
            full = os.path.join(self._root, os.fsencode(at)) if at else self._root
            if not self._watch(full):
                continue
            inner = [f"{at}/{name}" if at else name for name in _folders_in(full)]
            pending += [path for path, out in zip(inner, self._left_out(inner), strict=True) if not out]

    def _left_out(self, folders: list[str]) -> list[bool]:
        return self._ask(folders) if folders else []

    def _forget_below(self, path: str) -> None:
        """Stop watching a folder that was moved away: its watches would keep their old paths."""
        full = os.path.join(self._root, os.fsencode(path))
        with self._watching:
            moved = [(p, wd) for p, wd in self._folders.items() if p == full or p.startswith(full + b"/")]
            for old, wd in moved:
                del self._folders[old]
                self._paths.pop(wd, None)
        self._source.remove_callbacks([(wd, CallbackId(id(self))) for _, wd in moved])


def _folders_in(path: bytes) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [
                os.fsdecode(entry.name)
                for entry in entries
                if entry.name.lower() != b".git" and entry.is_dir(follow_symlinks=False)
            ]
    except OSError as failure:
        if failure.errno in LIMITS:
            raise
        return []  # gone or inaccessible: the snapshot reports which
