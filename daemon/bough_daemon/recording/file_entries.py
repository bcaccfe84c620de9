"""Turn a file into its entry in a tree, as `git add` would, writing only into the store."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress

from bough_daemon.errors import DiskFull, GitFailed, GitHangs
from bough_daemon.git.command import GitCommand, LineProtocol, in_one_line, quoted
from bough_daemon.git.objects import EXECUTABLE, FILE, IN_MEMORY_BYTES, LINK, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.root_dir import read_regular
from bough_daemon.git.rule_files import ATTRIBUTES
from bough_daemon.git.rules import Attributes, IndexReader
from bough_daemon.git.worktree import Worktree

# What Git counts to tell text from binary; line ends count as neither.
PRINTABLE = bytes([*b"\b\t\033\014", *range(32, 127), *range(128, 256)])
ODD = bytes(set(range(128)) - set(PRINTABLE) - set(b"\r\n"))


# For both ways of hashing: line ends that would change must not cause a refusal, but what cannot be checked out on
# every system must.
SETTINGS = (
    *("-c", "core.safecrlf=false", "-c", "core.protectNTFS=true", "-c", "core.protectHFS=true"),
    *("-c", "advice.addEmbeddedRepo=false"),
)
OF_THE_PROCESS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # numbers that say nothing about the file itself
NO_COMMIT = "a repository without a commit"
HUNG_PAUSE = 60.0  # seconds in which a filter that hung is not run: each attempt may block all recording


class Unreadable(Exception):
    """The file cannot be read or converted; its last version stays on the branch. The message is the reason, from Git.

    `path`: the folder, if a folder around the file cannot be read.
    """

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


class Torn(Exception):
    """The file changed while it was being read; nothing of it is kept."""


class FileEntries:
    """Create tree entries for files. On the store's thread only; on any if `in_memory` is 0 and git creates every blob.

    If attributes ask for a conversion, a long-running `git hash-object` creates the blob. It writes into a spool
    without alternates, from which the object is moved into the store: git, too, skips what an alternate has.
    `in_memory`: the largest file, in bytes, that is read into memory instead. `is_whole`: returns whether what git has
    read of a path may be kept; else Torn is raised.
    """

    def __init__(
        self,
        worktree: Worktree,
        objects: Objects,
        index: IndexReader,
        spool: str,
        in_memory: int = IN_MEMORY_BYTES,
        is_whole: Callable[[str], bool] = lambda path: True,
    ) -> None:
        self.attributes = Attributes(worktree, index)
        self._worktree = worktree
        self._objects = objects
        self._index = index
        self._spool = spool
        self._in_memory = in_memory
        self._is_whole = is_whole
        os.makedirs(spool, mode=0o700, exist_ok=True)
        options = (*SETTINGS, "-c", "core.bigFileThreshold=1000g")
        self._child = LineProtocol(self._spooling, *options, "hash-object", "-w", "--stdin-paths")
        self._modes_count: bool | None = None
        self._hung: dict[str, tuple[str, float]] = {}  # by filter: the reason, and until when (monotonic) it is not run
        self._filters: set[str] = set()  # that files have needed since `forget_unused`

    def forget(self) -> None:
        """Re-read attributes and configuration for the next file."""
        self.attributes.forget()
        self._child.restart()
        self._modes_count = None
        self.try_again()

    close = forget

    def try_again(self) -> None:
        """Run filters that hung again for the next file that needs them."""
        self._hung = {name: (why, 0.0) for name, (why, _) in self._hung.items()}

    def suspect(self) -> None:
        """Use a shorter timeout for the next file: it may be the one over which git hung."""
        self._child.suspect()

    def forget_unused(self) -> None:
        """Forget hung filters that no file has needed since the last call."""
        self._hung = {name: hung for name, hung in self._hung.items() if name in self._filters}
        self._filters.clear()

    def hangs(self) -> bool:
        """Return whether a filter hung when it last ran."""
        return bool(self._hung)

    def _spooling(self) -> GitCommand:
        return self._worktree.git.with_environment(GIT_OBJECT_DIRECTORY=self._spool)

    def entry(self, path: str, status: os.stat_result, before: TreeEntry | None) -> TreeEntry:
        """Return the entry of a regular file or symlink with this `lstat`; `before`: its entry on the branch.

        Raise FileNotFoundError if it is gone by now, Unreadable if it cannot be read or converted.
        """
        full = os.path.join(self._worktree.root, path)
        try:
            if stat.S_ISLNK(status.st_mode):
                return TreeEntry(LINK, self._objects.write_blob(os.fsencode(os.readlink(full))))
            return TreeEntry(self.mode(status, before), self._blob(path, full, status.st_size))
        except GitFailed as failure:
            self._check_spool(status.st_size, failure)
            os.lstat(full)
            raise Unreadable(in_one_line(failure.facts.get("output", "")) or failure.message) from failure
        except OSError as failure:
            if failure.filename != full or failure.errno in OF_THE_PROCESS or isinstance(failure, FileNotFoundError):
                raise
            raise Unreadable(failure.strerror or str(failure)) from failure

    def _check_spool(self, size: int, failure: GitFailed) -> None:
        """Raise the reason if nothing at all can be written to the spool."""
        with tempfile.TemporaryFile(dir=self._spool):
            pass
        if _room(self._spool) < size:
            raise DiskFull("the disk is full; the last snapshot is kept") from failure

    def mode(self, status: os.stat_result, before: TreeEntry | None) -> int:
        """Return the mode of a regular file with this `lstat`."""
        if self._modes_count is None:
            self._modes_count = self._worktree.config("core.fileMode").lower() not in {"false", "0", "no", "off"}
        if not self._modes_count:
            return before.mode if before is not None and before.mode in (FILE, EXECUTABLE) else FILE
        return EXECUTABLE if status.st_mode & stat.S_IXUSR else FILE

    def _blob(self, path: str, full: str, size: int) -> str:
        closed = self._index.rule_files.above(path, ATTRIBUTES)
        if closed is not None:
            raise Unreadable(f"Git cannot read {closed}")
        conversion = self.attributes.conversion(path)
        if conversion.filter:
            return self._by_filter(path, conversion.filter)
        if conversion.always or size > self._in_memory:
            return self._by_git(path)
        data = read_regular(full)
        if conversion.line_ends and b"\r" in data and not (conversion.guarded and self._kept_as_is(path)):
            return self._by_git(path)
        return self._objects.write_blob(data)

    def _kept_as_is(self, path: str) -> bool:
        """Return whether the index has the file with CRLF, which `text=auto` then keeps."""
        entry = self._index.entry(path)
        return entry is not None and is_text_with_crlf(self._objects.blob(entry[1]))

    def _by_filter(self, path: str, name: str) -> str:
        """Return the blob that git creates for a file, unless its filter has just hung."""
        self._filters.add(name)
        why, until = self._hung.get(name, ("", 0.0))
        if time.monotonic() < until:
            raise Unreadable(why)
        try:
            oid = self._by_git(path)
        except GitHangs as hang:
            why = why or f"its filter `{name}` has hung since {time.strftime('%H:%M')}: {hang.message}"
            self._hung[name] = (why, time.monotonic() + HUNG_PAUSE)
            raise Unreadable(why) from hang
        self._hung.pop(name, None)
        return oid

    def _by_git(self, path: str) -> str:
        oid = self._child.ask(quoted(path) + b"\n", 1, b"\n")[0].decode()
        source = os.path.join(self._spool, oid[:2], oid[2:])
        try:
            if not self._is_whole(path):
                raise Torn(path)
            self._take_from_spool(oid, source)
        except BaseException:
            with suppress(OSError):
                os.unlink(source)
            raise
        return oid

    def _take_from_spool(self, oid: str, source: str) -> None:
        target = os.path.join(self._objects.folder, oid[:2], oid[2:])
        with suppress(FileExistsError):  # never the folders above: they may be gone with the whole repository
            os.mkdir(os.path.dirname(target), mode=0o700)
        with open(source, "rb") as written:
            os.fsync(written.fileno())
        os.replace(source, target)
        with suppress(OSError):
            os.rmdir(os.path.dirname(source))


def _room(folder: str) -> int:
    """Return how many bytes can still be written on the file system of a folder."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def is_text_with_crlf(data: bytes) -> bool:
    """Return whether Git takes a blob for text with CRLF line ends (`has_crlf_in_index` in its convert.c)."""
    pairs = data.count(b"\r\n")
    if not pairs or data.count(b"\r") != pairs or b"\0" in data:
        return False
    odd = len(data) - len(data.translate(None, ODD)) - data.endswith(b"\x1a")
    return odd <= (len(data) - len(data.translate(None, PRINTABLE))) >> 7


def submodule_entry(worktree: Worktree, path: str) -> TreeEntry:
    """Return the entry of a nested repository: its HEAD. Raise Unreadable if that cannot be read."""
    full = os.path.join(worktree.root, path)
    link = os.path.join(full, ".git")
    try:
        git = GitCommand(
            link if os.path.isdir(link) else _linked_git_dir(full), full, user=worktree.user, children=worktree.children
        )
        _, said, words = git.result("rev-parse", "--verify", "HEAD", allowed=(0, 1, 128))
    except OSError as failure:
        raise Unreadable(failure.strerror or str(failure)) from failure
    oid = said.decode().strip()
    if len(oid) == 40:
        return TreeEntry(SUBMODULE, oid)
    raise Unreadable(NO_COMMIT if "Needed a single revision" in words else in_one_line(words))


def _linked_git_dir(folder: str) -> str:
    """Return the git directory that a `.git` file names."""
    said = read_regular(os.path.join(folder, ".git"))
    return os.path.join(folder, os.fsdecode(said.removeprefix(b"gitdir: ").strip()))
