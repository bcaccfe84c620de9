"""Which commit contains which, and where two histories parted: asked of Git once, and never for longer than a bound.

Histories come from teammates, too, and a few megabytes of commits that name each other in an unlucky way keep `git
merge-base` busy for hours. So walks end after some seconds: each after many beside the store's thread, and on it, where
saves wait, all those of one piece of work together after few. All of it may be called from any thread.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from bough_daemon.errors import GitFailed, GitHangs, GitTooSlow
from bough_daemon.git.command import GitCommand
from bough_daemon.system.threads import piece_of_work

MOST_ANSWERS = 4096  # that are remembered of each kind
LONGEST_SECONDS = 30.0  # of a walk: through the history of Linux, without a commit-graph, it takes about ten
BRIEF_SECONDS = 3.0  # of all walks of a piece of work on the store's thread, where little is asked for the first time
QUICK_SECONDS, MOST_QUICK = 0.2, 50  # of these, walks that take no longer, and how many such count for nothing
AGAIN_SECONDS = 600.0  # in which a walk that took too long is not begun again

K = TypeVar("K")
T = TypeVar("T")
Pair = tuple[str, str]


@contextmanager
def comparing(whose: str) -> Iterator[None]:
    """Say whose history it is that takes Git too long to compare, if one does; `whose`: as in `alice's branch`."""
    try:
        yield
    except GitTooSlow as slow:
        raise GitTooSlow(f"the history of {whose} takes Git too long to compare with yours", **slow.facts) from slow


class ThreadPatience(threading.local):
    """How long a thread may wait for an answer, if not only briefly; its piece of work, and what that has used."""

    seconds: float | None = None
    piece = 0
    asked = 0
    spent = 0.0

    def patience(self) -> float:
        """Return for how many seconds this thread may wait for Git now."""
        piece = piece_of_work()
        if self.piece != piece or not piece:
            self.piece, self.asked, self.spent = piece, 0, 0.0
        return self.seconds if self.seconds is not None else max(0.0, BRIEF_SECONDS - self.spent)

    def note(self, took: float) -> None:
        """Count an answer that took so many seconds; quick ones, if few, count for nothing on a busy machine."""
        self.asked += 1
        self.spent += max(0.0, took - QUICK_SECONDS) if self.asked <= MOST_QUICK else took


class Walks:
    """The answers of one store. Commits never change, so they stay true.

    `seconds`: how long Git may look for one; None: as long as the thread may wait.
    """

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._lock = threading.Lock()
        self._ancestors: dict[Pair, bool] = {}
        self._merge_bases: dict[Pair, str] = {}
        self._apart: dict[Pair, Pair] = {}
        self._slow: dict[str, tuple[float, float]] = {}  # what took too long: for how many seconds, and when
        self._thread = ThreadPatience()

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Let this thread wait long for answers in this block: no save waits for it."""
        self._thread.seconds = LONGEST_SECONDS
        try:
            yield
        finally:
            self._thread.seconds = None

    def run(self, git: GitCommand, *asked: str, stdin: bytes = b"", seconds: float | None = None) -> bytes:
        """Return the output of a git command that walks through histories; raise GitTooSlow if that takes too long."""
        return self._bounded(git, asked, (0,), seconds, stdin)[1]

    def is_surely_ancestor(self, older: str, newer: str) -> bool:
        """Return whether `newer` contains `older`, as far as Git finds that out soon."""
        try:
            return self.is_ancestor(older, newer)
        except GitTooSlow:
            return False

    def is_ancestor(self, older: str, newer: str, seconds: float | None = None) -> bool:
        """Return whether `newer` contains `older`; raise GitTooSlow if that takes too long."""
        if older == newer:
            return True
        known = self._ancestors.get((older, newer))
        if known is None:
            asked = ("merge-base", "--is-ancestor", older, newer)
            code = self._ask(*asked, allowed=(0, 1, 128), seconds=seconds)[0]
            if code == 128:
                return False  # one of them is not here, yet
            known = self._remember(self._ancestors, (older, newer), code == 0)
        return known

    def note_apart(self, older: str, newer: str) -> None:
        """Remember that `newer` does not contain `older`, a commit that has only just come: Git need not be asked."""
        self._remember(self._ancestors, (older, newer), False)

    def merge_base(self, one: str, other: str, seconds: float | None = None) -> str | None:
        """Return a best common ancestor of two commits, or None when their histories are unrelated.

        Raise GitTooSlow if that takes too long.
        """
        known = self._merge_bases.get((one, other))
        if known is None:
            found = self._ask("merge-base", one, other, allowed=(0, 1), seconds=seconds)[1].decode().strip()
            known = self._remember(self._merge_bases, (one, other), found)
        return known or None

    def apart(self, one: str, other: str, seconds: float | None = None) -> tuple[int, int] | None:
        """Return how many commits each of two contains that the other does not; None if some of them are missing.

        Raise GitTooSlow if that takes too long.
        """
        if one == other:
            return 0, 0
        known = self._apart.get((one, other))
        if known is None:
            asked = ("rev-list", "--count", "--left-right", f"{one}...{other}", "--")
            try:
                ahead, behind = self._ask(*asked, seconds=seconds)[1].decode().split()
            except GitHangs:
                raise
            except GitFailed:
                return None
            known = self._remember(self._apart, (one, other), (ahead, behind))
        return int(known[0]), int(known[1])

    def _ask(self, *asked: str, allowed: tuple[int, ...] = (0,), seconds: float | None = None) -> tuple[int, bytes]:
        """Return git's exit code and output; raise GitTooSlow, also if it took as long not long ago."""
        patience = seconds if seconds is not None else self._thread.patience()
        question = " ".join(asked)
        tried, at = self._slow.get(question, (0.0, 0.0))
        if tried >= patience and time.monotonic() - at < AGAIN_SECONDS:
            raise GitTooSlow(f"git {asked[0]} took too long before", output="", running="")
        try:
            return self._bounded(self._git, asked, allowed, patience)
        except GitTooSlow:
            self._remember(self._slow, question, (patience, time.monotonic()))
            raise

    def _bounded(
        self, git: GitCommand, asked: Sequence[str], allowed: Sequence[int], seconds: float | None, stdin: bytes = b""
    ) -> tuple[int, bytes]:
        """Return git's exit code and output; what it took counts for this thread's piece of work."""
        patience = min(seconds if seconds is not None else math.inf, self._thread.patience())
        if not patience:
            raise GitTooSlow(f"git {asked[0]} took too long", output="", running="")
        began = time.monotonic()
        try:
            code, output, _ = git.result(*asked, allowed=allowed, stdin=stdin, seconds=patience)
        finally:
            self._thread.note(time.monotonic() - began)
        return code, output

    def forget(self) -> None:
        """Ask Git again: commits have got parents that they had not, or the other way round."""
        with self._lock:
            for answers in (self._ancestors, self._merge_bases, self._apart, self._slow):
                answers.clear()

    def _remember(self, known: dict[K, T], pair: K, value: T) -> T:
        """Keep an answer; when there are too many, the oldest goes."""
        with self._lock:
            if len(known) >= MOST_ANSWERS:
                known.pop(next(iter(known)), None)
            known[pair] = value
        return value
