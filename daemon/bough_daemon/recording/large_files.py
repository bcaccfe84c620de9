"""Read large files in the background, so that no small save waits for one.

Until one has been read, a snapshot has its previous version. A file that is unchanged since it was last read, by its
status, is not read again; nor is one that Git's index vouches for, as after `git switch`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from bough_daemon.errors import BoughError
from bough_daemon.git.objects import Objects
from bough_daemon.git.rules import IndexReader
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.file_entries import FileEntries, Torn, Unreadable

LARGE_BYTES = 16 * 1024 * 1024  # hashing and compressing this much takes half a second
MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Signature:
    """The fields of a file's status that change whenever its content does."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Return the signature of an `lstat`."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class LargeFiles:
    """Blobs of large files. On the store's thread, except `read` and `close`, which run on a separate thread."""

    def __init__(self, worktree: Worktree, objects: Objects, index: IndexReader, spool: str) -> None:
        self._root = worktree.root
        self._hasher = FileEntries(worktree, objects, index, spool, in_memory=0, is_whole=self._is_as_it_was)
        self._known: dict[str, tuple[Signature, str | Exception]] = {}
        self._wanted: set[str] = set()
        self._is_stale = False
        self._began = Signature(0, 0, 0, 0)  # of the file being read

    def blob(self, path: str, status: os.stat_result) -> str | None:
        """Return the blob of a file with this `lstat`; None if it must be read first, which is then requested.

        Raise what reading it failed with, once.
        """
        signature, found = self._known.get(path, (None, ""))
        if signature != Signature.of(status):
            self._wanted.add(path)
            return None
        if isinstance(found, Exception):
            del self._known[path]
            raise found
        return found

    def note(self, path: str, status: os.stat_result, blob: str) -> None:
        """Remember the blob of a file that had this `lstat` before and after reading, or that Git vouches for."""
        self._wanted.discard(path)
        self._remember(path, Signature.of(status), blob)

    def take_wanted(self) -> set[str]:
        """Return the paths that must be read, and clear the list."""
        wanted, self._wanted = self._wanted, set()
        return wanted

    def forget(self) -> None:
        """Forget all blobs: attributes or settings may have changed."""
        self._known.clear()
        self._is_stale = True

    def read(self, path: str) -> None:
        """Create the blob of a file, for `blob` to return while the file stays unchanged."""
        if self._is_stale:
            self._is_stale = False
            self._hasher.forget()
        full = os.path.join(self._root, path)
        found: str | Exception
        try:
            signature = self._began = Signature.of(status := os.lstat(full))
            found = self._hasher.entry(path, status, None).oid
        except (FileNotFoundError, NotADirectoryError, Torn):
            return
        except (Unreadable, BoughError, OSError) as failure:
            found = failure
        if not self._is_stale:
            self._remember(path, signature, found)

    def _is_as_it_was(self, path: str) -> bool:
        """Return whether the file being read is unchanged so far: else nothing of it is kept."""
        return Signature.of(os.lstat(os.path.join(self._root, path))) == self._began

    def close(self) -> None:
        """End the git children."""
        self._hasher.close()

    def _remember(self, path: str, signature: Signature, found: str | Exception) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[path] = (signature, found)
