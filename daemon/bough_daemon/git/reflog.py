"""HEAD's reflog: what Git did with HEAD."""

from __future__ import annotations

from dataclasses import dataclass

from bough_daemon.git.worktree import Worktree


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
