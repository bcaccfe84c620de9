"""The files of a working tree, reached from its top folder without following any symlink."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from types import TracebackType

from bough_daemon.errors import InTheWay
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK, Objects, TreeEntry
from bough_daemon.git.paths import Blocked, folder_of, open_folder

OTHER = 0  # a device, a pipe or a socket, which a tree cannot hold


def blob_id(data: bytes) -> str:
    """Return the id that Git gives a blob of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def kind_of(status: os.stat_result) -> int:
    """Return the tree mode for a file status: FILE, EXECUTABLE, LINK, FOLDER or OTHER."""
    if stat.S_ISREG(status.st_mode):
        return EXECUTABLE if status.st_mode & stat.S_IXUSR else FILE
    return {stat.S_IFLNK: LINK, stat.S_IFDIR: FOLDER}.get(stat.S_IFMT(status.st_mode), OTHER)


def read_at(folder: int, name: str) -> tuple[int, bytes]:
    """Return (kind, content) of a file or symlink in an open folder; a folder and what is OTHER have no content."""
    kind = kind_of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    if kind == LINK:
        return kind, os.fsencode(os.readlink(name, dir_fd=folder))
    if kind in (FOLDER, OTHER):
        return kind, b""
    with os.fdopen(_opened(folder, name), "rb") as source:
        return kind, source.read()


def _opened(folder: int, name: str) -> int:
    """Return a file in an open folder, open for reading; no symlink is followed, and no pipe is waited for."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def read_regular(path: str) -> bytes:
    """Return the content of a file; raise OSError for anything else, which might block forever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return source.read()


def is_being_written(folder: int, name: str) -> bool:
    """Return whether a program has a file open for writing; False where the system cannot tell.

    The kernel grants a read lease on a file only while nobody has it open for writing (fcntl(2), F_SETLEASE). Anyone
    who opens it in these microseconds waits, and we get a signal: one that is ignored, not SIGIO, which would kill.
    """
    descriptor = _opened(folder, name)
    try:
        return _is_open_for_writing(descriptor)
    finally:
        os.close(descriptor)  # and with it the lease


def read_if_closed(folder: int, name: str) -> tuple[int, bytes] | None:
    """Return (kind, content) as `read_at` does; None for a file that a program has open for writing.

    The lease, which `is_being_written` explains, is held while the file is read: nobody can begin to write meanwhile.
    """
    try:
        descriptor = _opened(folder, name)
    except OSError:
        return read_at(folder, name)  # a symlink, or unreadable
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return kind_of(status), b""
        return None if _is_open_for_writing(descriptor) else (kind_of(status), _content(descriptor, status.st_size))
    finally:
        os.close(descriptor)  # and with it the lease


def _is_open_for_writing(descriptor: int) -> bool:
    """Take a lease on an open file, or return that a program has it open for writing."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as refused:
        return refused.errno == errno.EAGAIN
    return False


def _content(descriptor: int, size: int) -> bytes:
    """Return all that an open file holds, which was `size` bytes a moment ago."""
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    with os.fdopen(os.dup(descriptor), "rb") as rest:
        return content + rest.read()


class RootDir:
    """An open top folder. `root`: its path.

    The folder that `at` or `status` was last asked about stays open until the next: `forget` it where folders are
    removed or replaced.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._latest: tuple[str, int] | None = None

    def __enter__(self) -> RootDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, at: TracebackType | None
    ) -> None:
        self.forget()
        os.close(self.descriptor)

    def at(self, path: str) -> int:
        """Return an open folder, for use until the next call; raises as `open_folder` does."""
        if self._latest is None or self._latest[0] != path:
            self.forget()
            self._latest = (path, open_folder(self.descriptor, path))
        return self._latest[1]

    def forget(self) -> None:
        """Close the folder that was last asked for with `at`."""
        latest, self._latest = self._latest, None
        if latest is not None:
            os.close(latest[1])

    @contextlib.contextmanager
    def folder(self, path: str, make: bool = False) -> Iterator[int]:
        """Open a folder for the length of a block; raises as `open_folder` does."""
        descriptor = open_folder(self.descriptor, path, make)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of a path, symlinks not followed; None if nothing is there or a parent is not a folder."""
        folder, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self.at(folder), follow_symlinks=False)
        except (FileNotFoundError, Blocked):
            return None

    def read(self, path: str) -> tuple[int, bytes] | None:
        """Return (kind, content) of a path, or None as `status` does."""
        try:
            with self.folder(folder_of(path)) as above:
                return read_at(above, path.rpartition("/")[2])
        except (FileNotFoundError, Blocked):
            return None
        except OSError as failure:
            if failure.errno == errno.ELOOP:  # it became a symlink at this instant
                return None
            raise

    def files_below(self, path: str) -> Iterator[str]:
        """Yield every path below a folder that is not a folder itself; symlinks are not followed."""
        try:
            with self.folder(path) as here:
                names = os.listdir(here)
                kinds = {name: kind_of(os.stat(name, dir_fd=here, follow_symlinks=False)) for name in names}
        except (FileNotFoundError, Blocked):
            return
        for name, kind in sorted(kinds.items()):
            below = f"{path}/{name}" if path else name
            if kind == FOLDER:
                yield from self.files_below(below)
            else:
                yield below

    def record(self, objects: Objects, path: str) -> TreeEntry | None:
        """Write the content of a path into the store, byte for byte; return None if nothing is there."""
        found = self.read(path)
        if found is None:
            return None
        kind, content = found
        if kind == OTHER:
            raise InTheWay(f"{path} is neither a file, a symlink nor a folder", path=path)
        return TreeEntry(kind, objects.write_blob(content)) if kind != FOLDER else None
