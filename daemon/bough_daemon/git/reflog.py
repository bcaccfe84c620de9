"""HEAD and its reflog: what Git did with HEAD."""

from __future__ import annotations

import os
from dataclasses import dataclass

from bough_daemon.git.worktree import Head, Worktree

LOG_TAIL_BYTES = 256 * 1024  # of HEAD's reflog, in which the moves between two commits are searched
# Git's reflog messages of commands that rewrite a commit, or add to it; all others switch away.
REWRITING = (b"commit", b"rebase", b"pull", b"merge", b"cherry-pick", b"revert", b"am")
DISCARDING = (b"reset:", b"checkout:")


@dataclass(frozen=True)
class HeadMove:
    """One entry of HEAD's reflog: what Git did (`reset: moving to HEAD`), in seconds since the epoch."""

    time: int
    message: str


def head_moves(path: str, most: int) -> list[HeadMove]:
    """Return the latest moves of HEAD in the working tree around `path`, the newest first."""
    worktree = Worktree.find(path)
    asked = ["log", "-g", "-z", f"-n{most}", "--date=unix", "--format=%gd%x01%gs", "HEAD", "--"]
    code, said, _ = worktree.git.result(*asked, allowed=(0, 128))
    entries = (entry.partition("\x01") for entry in said.decode(errors="replace").split("\0") if entry)
    times = ((place.rpartition("@{")[2].rstrip("}"), message) for place, _, message in entries)
    return [HeadMove(int(time), message) for time, message in times if time.isdigit()] if code == 0 else []


def latest_move(path: str, words: str) -> HeadMove | None:
    """Return the newest move of HEAD that matches words such as `git reset`, or None."""
    wanted = words.removeprefix("git ").strip().lower()
    return next((move for move in head_moves(path, 1000) if wanted and move.message.lower().startswith(wanted)), None)


class HeadReader:
    """HEAD of one working tree. On the store's thread only."""

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._logged = self._log_size()
        self._index = self._index_state()

    def read(self) -> Head:
        """Return where HEAD is; raise NoCommitYet on a branch without a commit."""
        return self._worktree.head()

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

    def _log(self, tail: int = LOG_TAIL_BYTES) -> list[tuple[bytes, bytes]]:
        """Return (commit that HEAD left, message) for the newest moves, oldest first."""
        try:
            with open(os.path.join(self._worktree.git_dir, "logs", "HEAD"), "rb") as source:
                source.seek(max(0, source.seek(0, os.SEEK_END) - min(tail, LOG_TAIL_BYTES)))
                lines = source.read().splitlines()
        except OSError:
            return []
        return [(line[:40], line.partition(b"\t")[2]) for line in lines]
