"""Which commit contains which, and where two histories parted: asked of Git once, and never for longer than a bound.

Histories come from teammates, too, and a few megabytes of commits that name each other in an unlucky way keep `git
merge-base` busy for hours. So each walk ends after some seconds: many for what is needed to go on, few for what is only
told. All of it may be called from any thread.
"""

from __future__ import annotations

import threading
from typing import TypeVar

from bough_daemon.errors import GitFailed, GitHangs
from bough_daemon.git.command import GitCommand

MOST_ANSWERS = 4096  # that are remembered of each kind
LONGEST_SECONDS = 30.0  # of a walk: through the history of Linux, without a commit-graph, it takes about ten

T = TypeVar("T")
Pair = tuple[str, str]


class Walks:
    """The answers of one store. Commits never change, so they stay true. `seconds`: how long Git may look for one."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._ancestors: dict[Pair, bool] = {}
        self._merge_bases: dict[Pair, str] = {}
        self._apart: dict[Pair, Pair] = {}

    def is_ancestor(self, older: str, newer: str, seconds: float = LONGEST_SECONDS) -> bool:
        """Return whether `newer` contains `older`; raise GitTooSlow if that takes too long."""
        if older == newer:
            return True
        known = self._ancestors.get((older, newer))
        if known is None:
            asked = ("merge-base", "--is-ancestor", older, newer)
            code = self._git.result(*asked, allowed=(0, 1, 128), seconds=seconds)[0]
            if code == 128:
                return False  # one of them is not here, yet
            known = self._remember(self._ancestors, (older, newer), code == 0)
        return known

    def note_apart(self, older: str, newer: str) -> None:
        """Remember that `newer` does not contain `older`, a commit that has only just come: Git need not be asked."""
        self._remember(self._ancestors, (older, newer), False)

    def merge_base(self, one: str, other: str, seconds: float = LONGEST_SECONDS) -> str | None:
        """Return a best common ancestor of two commits, or None when their histories are unrelated.

        Raise GitTooSlow if that takes too long.
        """
        known = self._merge_bases.get((one, other))
        if known is None:
            found = self._git.run("merge-base", one, other, allowed=(0, 1), seconds=seconds).decode().strip()
            known = self._remember(self._merge_bases, (one, other), found)
        return known or None

    def apart(self, one: str, other: str, seconds: float = LONGEST_SECONDS) -> tuple[int, int] | None:
        """Return how many commits each of two contains that the other does not; None if some of them are missing.

        Raise GitTooSlow if that takes too long.
        """
        if one == other:
            return 0, 0
        known = self._apart.get((one, other))
        if known is None:
            asked = ("rev-list", "--count", "--left-right", f"{one}...{other}", "--")
            try:
                ahead, behind = self._git.run(*asked, seconds=seconds).decode().split()
            except GitHangs:
                raise
            except GitFailed:
                return None
            known = self._remember(self._apart, (one, other), (ahead, behind))
        return int(known[0]), int(known[1])

    def forget(self) -> None:
        """Ask Git again: commits have got parents that they had not, or the other way round."""
        with self._lock:
            for answers in (self._ancestors, self._merge_bases, self._apart):
                answers.clear()

    def _remember(self, known: dict[Pair, T], pair: Pair, value: T) -> T:
        """Keep an answer; when there are too many, the oldest goes."""
        with self._lock:
            if len(known) >= MOST_ANSWERS:
                known.pop(next(iter(known)), None)
            known[pair] = value
        return value
