"""Decide when a path is settled: its writer has closed it, and its name has lasted.

Until then an automatic snapshot keeps the previous version, and an exact one does not share the path. So nobody gets an
incomplete file, and nothing that ends up as `.env` is shared under a temporary name.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

NEW = "new; shared in a moment, once its name is stable"
WRITTEN = "a program is still writing it"
OFTEN = "changes constantly; recorded every few seconds"
HEAVY = "rewritten constantly; only some versions are kept until it stops; ignore it if nobody needs them"
UNCOVERED = "ignored until a moment ago; shared once the new ignore rules are stable"
TEMPORARY = re.compile(
    r"""
      te?mp[._-]?\w* | .*[._-]te?mp([._-].*)? | ~.*         # tmpab12cd, a.tmp, a.tmp.1234
    | .*\.(part|partial|crdownload|download|filepart|new)
    | .*\.(?-i:(?=\w*[A-Z\d])\w{6}) | .*\.\d{4,}            # rsync, mkstemp; write-file-atomic
    | \.?[0-9a-f-]{16,}
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class SettlePatience:
    """The waiting times, in seconds.

    `name`: after the last event of a new path; programs that write a temporary file and rename it do so within 50 ms,
    except on the slowest disks. `temporary`: the same, for a name that looks temporary. `names`: at the latest after a
    path was first seen. `quiet`: after the last write, if the writer does not close the file: downloads stall for a
    second or two, logs pause for longer. `writer`: at the latest after the first write. `rules`: for a file that only a
    change of ignore rules uncovered, which editors and rebases remove and restore; it has existed for `aged`. `often`:
    at the latest after a path that changes constantly was recorded.
    """

    name: float = 0.3
    temporary: float = 3.0
    names: float = 5.0
    quiet: float = 10.0
    writer: float = 60.0
    rules: float = 10.0
    aged: float = 2.0
    often: float = 5.0

    def name_lasts(self, path: str, first: float, last: float) -> float:
        """Return the moment when the name of a path, first and last seen then, has lasted."""
        temporary = TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None
        return min(last + (self.temporary if temporary else self.name), first + self.names)


PATIENCE = SettlePatience()


@dataclass
class Span:
    """When something happened first and last (seconds, monotonic)."""

    first: float
    last: float


class Writers:
    """Paths that programs have changed and not closed yet. Not for use by two threads at once."""

    def __init__(self, patience: SettlePatience) -> None:
        self._patience = patience
        self._spans: dict[str, Span] = {}

    def __bool__(self) -> bool:
        return bool(self._spans)

    def paths(self) -> set[str]:
        """Return the paths."""
        return set(self._spans)

    def wrote(self, path: str, now: float) -> None:
        """Record a write."""
        span = self._spans.get(path)
        if span is None:
            self._spans[path] = Span(now, now)
        else:
            span.last = now

    def closed(self, path: str) -> None:
        """Record that a writer closed a path, or that it is gone."""
        self._spans.pop(path, None)

    def moved(self, old: str, new: str) -> None:
        """Record that a path, with everything below it, was renamed, replacing what had that name."""
        self._spans.pop(new, None)
        for path in [path for path in self._spans if path == old or path.startswith(old + "/")]:
            self._spans[new + path[len(old) :]] = self._spans.pop(path)

    def due(self) -> float:
        """Return the moment when the first of them has waited long enough; infinite if there is none."""
        return min(map(self._due, self._spans.values()), default=math.inf)

    def overdue(self, now: float) -> set[str]:
        """Return the paths that have waited long enough, and forget them."""
        over = {path for path, span in self._spans.items() if self._due(span) <= now}
        for path in over:
            del self._spans[path]
        return over

    def _due(self, span: Span) -> float:
        return min(span.last + self._patience.quiet, span.first + self._patience.writer)


@dataclass
class _Changed:
    """The record of how often a path changed, and how many versions were kept.

    `left`: of what it may at full speed, at the moment `at`; `taken`: when it was last. `room`: bytes that may be kept
    of it then. `size`: of the file, at the last change. `kept`: size and time of the version that was kept last.
    """

    left: float
    at: float
    taken: float
    room: float
    size: int = 0
    kept: tuple[int, int] = (-1, -1)


class Brake:
    """Decide when a path that changes again and again is taken. Not for use by two threads at once.

    Every change uses up one unit, and one more for each SIZE bytes of the file; each second gives one back, up to FREE.
    While some is left, a change is taken at once, which a person who saves never notices. Who has used up more waits
    that many seconds since the path was taken last, but not longer than `often`. When people type into one file
    together, each save and each fold is a change, so `together` is how many units a second returns; then no wait is
    longer than PAUSE_TOGETHER, because nobody's lines are folded into a file that is not recorded yet.

    Of one path ROOM bytes are kept at that speed, and then ROOM_AN_HOUR: a build that rewrites 50 MB each second would
    fill any disk. It is taken as well once it has rested for REST seconds, and longer the more it is over.
    """

    FREE, DEBT, SIZE = 50.0, 10.0, 400_000
    ROOM, ROOM_AN_HOUR, REST = 512e6, 128e6, 60.0
    MOST = 1000  # paths that are remembered, or twice those that counted at the last look through them
    PAUSE_TOGETHER = 0.5  # seconds, for files of less than SIZE
    TOGETHER = (
        40.0  # changes per second: two people who save five times each, each fold of that, and a margin for a third
    )

    def __init__(self, often: float) -> None:
        self._often = often
        self.together = False
        self._paths: dict[str, _Changed] = {}
        self._most = self.MOST

    def changed(self, path: str, size: int, now: float) -> None:
        """Record a change; a second one at the same moment does not count."""
        known = self._paths.setdefault(path, _Changed(self.FREE, -math.inf, now, self.ROOM))
        if known.at == now:
            return
        pace = self.TOGETHER if self.together else 1.0
        left = min(self.FREE, known.left + pace * (now - known.at))
        known.left, known.at, known.size = max(-self.DEBT, left - 1 - size / self.SIZE), now, size
        if len(self._paths) > self._most:
            self._paths = {path: one for path, one in self._paths.items() if self._counts(one, now)} or {path: known}
            self._most = max(self.MOST, 2 * len(self._paths))  # looked through rarely, however many count

    def _counts(self, one: _Changed, now: float) -> bool:
        return now - one.at < self.FREE or self._room(one, now) < 0

    def _room(self, one: _Changed, now: float) -> float:
        return min(self.ROOM, one.room + (now - one.taken) * self.ROOM_AN_HOUR / 3600)

    def due(self, path: str) -> float:
        """Return the moment from which a path may be recorded; in the past if it rarely changes."""
        known = self._paths.get(path)
        if known is None or known.left >= 0:
            return -math.inf
        often = min(self._often, self.PAUSE_TOGETHER) if self.together and known.size < self.SIZE else self._often
        return known.taken + min(often, -known.left)

    def room_due(self, path: str, version: tuple[int, int]) -> float:
        """Return the moment from which a version of a path may be kept; in the past if little of it was kept.

        `version`: size and time of the file. A version that is already kept takes no more space.
        """
        known = self._paths.get(path)
        if known is None or known.room >= 0 or known.kept == version:
            return -math.inf
        rested = known.at + self.REST * max(1.0, -known.room / self.ROOM)
        return min(rested, known.taken - known.room * 3600 / self.ROOM_AN_HOUR)

    def taken(self, path: str, now: float, version: tuple[int, int]) -> None:
        """Record that a version of a path was recorded."""
        known = self._paths.get(path)
        if known is None:
            return
        room = self._room(known, now)
        known.room = room - version[0] if known.kept != version else room
        known.taken, known.kept = now, version


@dataclass
class ExactSave:
    """What an exact save demands of its checks of the files.

    `patience`: seconds that it waits for names, from its first check on, however long that had to wait for its turn.
    `at_once`: read large files immediately.
    """

    patience: float
    at_once: bool = False
    until: float = math.nan

    def begin(self, now: float) -> float:
        """Return the moment until when it waits for names; `now`: when a check begins (monotonic)."""
        if math.isnan(self.until):
            self.until = now + self.patience
        return self.until


@dataclass(frozen=True)
class Look:
    """The facts that one check of the files is based on.

    `now`: seconds, monotonic. `clock`: the same moment, in seconds since the epoch. `touched`: paths that had events;
    None for a check without events. `written`: paths that a program has changed and not closed. `known`: returns
    whether the team has a path already, or never will. `committed`: returns whether Git has committed a change of a
    path since the last check: keeping the previous version would then read as a removal. `has_writer`: returns whether
    a program has a file open that changed that many seconds ago. `until`: for an exact check, until when to wait for
    names; else None. `rules_at`: when ignore rules last changed, None if they have not.
    """

    now: float
    clock: float
    touched: Set[str] | None
    written: Set[str]
    known: Callable[[str], bool]
    committed: Callable[[str], bool]
    has_writer: Callable[[str, float], bool]
    until: float | None = None
    rules_at: float | None = None


@dataclass(frozen=True)
class Wait:
    """Why a path waits, and until when. `new`: the team does not have it. `seen`: its events."""

    reason: str
    due: float
    new: bool
    seen: Span


@dataclass
class Unsettled:
    """The paths of one working tree that are not settled. For one thread, except `due`."""

    patience: SettlePatience = PATIENCE
    due: float = math.inf
    _waits: dict[str, Wait] = field(default_factory=dict)
    _before: dict[str, Wait] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._brake = Brake(self.patience.often)

    def paths(self) -> set[str]:
        """Return the paths that wait."""
        return set(self._waits)

    def ready(self, now: float) -> set[str]:
        """Return the paths that have waited long enough to be checked again."""
        return {path for path, wait in self._waits.items() if wait.due <= now}

    def names_due(self, until: float) -> float | None:
        """Return when the last name that an exact check waits for has lasted; None if there is none."""
        return max(
            (wait.due for wait in self._waits.values() if wait.reason == NEW and wait.due <= until), default=None
        )

    def unshared(self) -> dict[str, str]:
        """Return the paths that the team must not get yet, with the reason."""
        return {path: wait.reason for path, wait in self._waits.items() if wait.new}

    def written(self) -> dict[str, str]:
        """Return the paths that are still being written, with the reason."""
        return {path: wait.reason for path, wait in self._waits.items() if wait.reason in (WRITTEN, HEAVY)}

    def heavy(self) -> set[str]:
        """Return the paths that pause because so much of them was kept."""
        return {path for path, wait in self._waits.items() if wait.reason == HEAVY}

    def forget(self) -> None:
        """Forget all that wait: the next check covers everything."""
        self._waits, self._before, self.due = {}, {}, math.inf

    def drop(self, paths: Iterable[str]) -> None:
        """Forget some paths: what they wait for will not happen."""
        for path in paths:
            self._waits.pop(path, None)

    def pace(self, *, together: bool) -> None:
        """Record often-changing paths as often as people type, if several people share the files."""
        self._brake.together = together

    def begin(self, look: Look, paths: Iterable[str]) -> None:
        """Start a check of `paths` and everything below; those not found to wait again are dropped."""
        self._look = look
        self._before = {path: self._waits.pop(path) for path in paths if path in self._waits}

    def end(self) -> None:
        """End the check."""
        self._before = {}
        self.due = min((wait.due for wait in self._waits.values()), default=math.inf)

    def holds(self, path: str, status: os.stat_result) -> bool:
        """Return whether the check must keep the previous version of a file or symlink with this `lstat`."""
        was = self._waits.pop(path, None) or self._before.get(path)
        look = self._look
        if look.touched is not None and path in look.touched:
            self._brake.changed(path, status.st_size, look.now)
        wait = self._wait(path, status, was) if not look.committed(path) else None
        if wait is not None and wait.reason in (OFTEN, HEAVY) and look.until is not None:
            wait = None
        if wait is not None:
            self._waits[path] = wait
            if look.until is None or (wait.reason == NEW and wait.due <= look.until):
                return True
        self._brake.taken(path, look.now, _version(status))
        return False

    def _wait(self, path: str, status: os.stat_result, was: Wait | None) -> Wait | None:
        look = self._look
        new = not look.known(path)
        seen = self._seen(path, status, was)
        if path in look.written:
            return Wait(WRITTEN, math.inf, new, seen)
        rests = self._brake.room_due(path, _version(status))
        if rests > look.now:
            return Wait(HEAVY, rests, new, seen)
        braked = self._brake.due(path)
        often = Wait(OFTEN, braked, new, seen) if braked > look.now else None
        if not new and look.touched is not None:
            return often
        if new and look.rules_at is not None and self._is_uncovered(seen, was, look.rules_at):
            due = look.rules_at + self.patience.rules
            if due > look.now:
                return Wait(UNCOVERED, due, new, seen)
        lasts = self.patience.name_lasts(path, seen.first, seen.last)
        if new and lasts > look.now:
            return Wait(NEW, lasts, new, seen)
        age = max(0.0, look.clock - status.st_ctime)
        if age < self.patience.quiet and stat.S_ISREG(status.st_mode) and look.has_writer(path, age):
            return Wait(WRITTEN, look.now - age + self.patience.quiet, new, seen)
        return often

    def _is_uncovered(self, seen: Span, was: Wait | None, rules_at: float) -> bool:
        """Return whether only a change of rules uncovered a path: it is older than that."""
        if was is not None:
            return was.reason == UNCOVERED
        return self._look.touched is None and seen.last < rules_at - self.patience.aged

    def _seen(self, path: str, status: os.stat_result, was: Wait | None) -> Span:
        look = self._look
        if look.touched is not None and (was is None or path in look.touched):
            return Span(was.seen.first if was is not None else look.now, look.now)
        if was is not None:
            return was.seen
        changed = look.now - max(0.0, look.clock - status.st_ctime)
        return Span(changed, changed)


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
