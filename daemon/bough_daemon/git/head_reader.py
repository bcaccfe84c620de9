"""Read HEAD before every snapshot, with only a few system calls while it has not moved."""

from __future__ import annotations

import os

from bough_daemon.git.worktree import Head, Worktree

LOG_TAIL_BYTES = 256 * 1024  # of HEAD's reflog, in which the moves between two commits are searched
# Git's reflog messages of commands that rewrite a commit, or add to it; all others switch away.
REWRITING = (b"commit", b"rebase", b"pull", b"merge", b"cherry-pick", b"revert", b"am")
DISCARDING = (b"reset:", b"checkout:")

Signature = tuple[bytes, bytes | None, tuple[int, int, int] | None]


class HeadReader:
    """HEAD of one working tree. On the store's thread only."""

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._known: tuple[Signature, Head] | None = None
        self._logged = self._log_size()
        self._index = self._index_state()

    def read(self) -> Head:
        """Return where HEAD is; raise NoCommitYet on a branch without a commit."""
        signature = self._signature()
        if self._known is not None and signature is not None and self._known[0] == signature:
            return self._known[1]
        self._known = None
        head = self._worktree.head()
        if signature is not None and signature == self._signature():
            self._known = signature, head
        return head

    def branch(self) -> str | None:
        """Return the branch that HEAD is on, even if it has no commit; None if HEAD is detached."""
        return self._worktree.git.line("symbolic-ref", "-q", "HEAD", allowed=(0, 1)) or None

    def left_by_rewriting(self, commit: str) -> bool:
        """Return whether everything that moved HEAD since `commit` rewrote that commit, or added to it."""
        for old, message in reversed(self._log()):
            if not message.startswith(REWRITING) or b"(abort)" in message:
                return False
            if old == commit.encode():
                return True
        return False

    def only_committed(self, commit: str) -> bool:
        """Return whether HEAD has moved since `commit`, and only by `git commit`."""
        for old, message in reversed(self._log()):
            if not message.startswith(b"commit"):
                return False
            if old == commit.encode():
                return True
        return False

    def has_discarded(self) -> bool:
        """Return whether Git has reset or checked out since the last call: edits may have been discarded."""
        size, before = self._log_size(), self._logged
        self._logged = size
        if size == before:
            return False
        if size < before:
            return True  # someone has truncated it: anything may have happened
        new = self._log(size - before)
        return any(message.startswith(DISCARDING) for _, message in new)

    def has_written_index(self) -> bool:
        """Return whether the index has changed since the last call: Git may have reset the files."""
        before, self._index = self._index, self._index_state()
        return self._index != before

    def _index_state(self) -> tuple[int, int] | None:
        try:
            status = os.stat(os.path.join(self._worktree.git_dir, "index"))
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _log_size(self) -> int:
        try:
            return os.stat(os.path.join(self._worktree.git_dir, "logs", "HEAD")).st_size
        except OSError:
            return 0

    def _signature(self) -> Signature | None:
        """Return a value that determines HEAD; None if only Git can tell."""
        head = _content(os.path.join(self._worktree.git_dir, "HEAD"))
        if head is None or not head.startswith(b"ref: refs/heads/"):
            return (head, None, None) if head is not None and not head.startswith(b"ref:") else None
        name = os.fsdecode(head[5:].rstrip(b"\n"))
        loose = _content(os.path.join(self._worktree.common_dir, name))
        if loose is not None:
            return (head, loose, None) if not loose.startswith(b"ref:") else None
        try:
            packed = os.stat(os.path.join(self._worktree.common_dir, "packed-refs"))
        except FileNotFoundError:
            return None
        return head, None, (packed.st_ino, packed.st_size, packed.st_mtime_ns)

    def _log(self, tail: int = LOG_TAIL_BYTES) -> list[tuple[bytes, bytes]]:
        """Return (commit that HEAD left, message) for the newest moves, oldest first."""
        try:
            with open(os.path.join(self._worktree.git_dir, "logs", "HEAD"), "rb") as source:
                source.seek(max(0, source.seek(0, os.SEEK_END) - min(tail, LOG_TAIL_BYTES)))
                lines = source.read().splitlines()
        except OSError:
            return []
        return [(line[:40], line.partition(b"\t")[2]) for line in lines]


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as source:
            return source.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
