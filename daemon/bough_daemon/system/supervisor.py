"""Keep background work running: a loop that fails is restarted after a pause, counted and reported.

`Pause` decides how long to wait, in plain code; `Supervisor` waits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass

from bough_daemon.errors import BoughError
from bough_daemon.system.failing import Failing
from bough_daemon.system.threads import is_cancelled

log = logging.getLogger(__name__)

MOST_NAMES = 1000  # kinds of work whose failures are counted
CANCEL_AGAIN_SECONDS = 1.0  # after which work is cancelled again: a library may have swallowed the first cancellation


@dataclass
class Pause:
    """Decide how long to wait before failed work is retried, in seconds.

    Each failure doubles the wait, from `shortest` to `longest`. After `steady` seconds of successful work it starts
    with the shortest again.
    """

    shortest: float = 0.1
    longest: float = 30.0
    steady: float = 60.0
    _last: float = 0.0

    def after(self, worked: float) -> float:
        """Return the wait after a failure of work that ran for `worked` seconds."""
        before = 0.0 if worked >= self.steady else self._last
        self._last = min(max(2 * before, self.shortest), self.longest)
        return self._last


@dataclass
class _Count:
    failures: int
    reason: str
    at: float  # monotonic
    failed_at: float  # seconds since the epoch


class Supervisor:
    """Keep background work running, until `close`. On the event loop only.

    `pause`: creates the pause of one piece of work.
    """

    def __init__(self, pause: Callable[[], Pause] = Pause) -> None:
        self._new_pause = pause
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: dict[str, _Count] = {}
        self._closed = False

    def keep(self, work: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run a loop until it returns, restarting it whenever it fails. `work`: its name in the status.

        What the loop had not finished when it failed must be where the next start finds it.
        """
        return self._spawn(self._keep(work, loop))

    def begin(self, work: str, once: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        """Run something once in the background; a failure is logged and counted."""
        return self._spawn(self._once(work, once))

    @property
    def closed(self) -> bool:
        """Return whether all work is being ended."""
        return self._closed

    def failing(self) -> list[Failing]:
        """Return the failures so far, latest first."""
        now, steady = time.monotonic(), self._new_pause().steady
        latest = sorted(self._counts.items(), key=lambda item: item[1].at, reverse=True)
        return [
            Failing(work, count.failures, count.reason, count.failed_at, now - count.at >= steady)
            for work, count in latest
        ]

    def note(self, work: str, failure: BaseException) -> None:
        """Log and count a failure that the work itself survives."""
        log.error("%s failed", work, exc_info=failure)
        before = self._counts.get(work)
        if before is None and len(self._counts) >= MOST_NAMES:
            del self._counts[next(iter(self._counts))]
        failures = before.failures + 1 if before is not None else 1
        self._counts[work] = _Count(failures, reason_of(failure), time.monotonic(), time.time())

    def recovered(self, work: str) -> None:
        """Record that work which may have failed before has succeeded."""
        count = self._counts.get(work)
        if count is not None:
            count.at = -math.inf

    async def close(self) -> None:
        """End all work; anything started from now on does nothing."""
        self._closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN_SECONDS)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closed:
            task.cancel()
        return task

    async def _keep(self, work: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause = self._new_pause()
        while True:
            began = time.monotonic()
            failure = await _failure_of(loop)
            if failure is None:
                return
            wait = pause.after(time.monotonic() - began)
            self.note(work, failure)
            log.info("%s starts again in %.1f s", work, wait)
            await asyncio.sleep(wait)

    async def _once(self, work: str, once: Callable[[], Awaitable[object]]) -> None:
        failure = await _failure_of(once)
        if failure is not None:
            self.note(work, failure)


async def _failure_of(work: Callable[[], Awaitable[object]]) -> BaseException | None:
    """Do some work and return its failure, or None.

    Something that it waited for may have been cancelled, which is a failure; only its own cancellation ends it.
    """
    try:
        await work()
    except asyncio.CancelledError as cancelled:
        if is_cancelled():
            raise
        return cancelled
    except Exception as failure:
        return failure
    return None


def reason_of(failure: BaseException) -> str:
    """Return the reason of a failure, for messages: the first cause if there are several."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, BoughError):
        return failure.message
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return f"{type(failure).__name__}: {failure}".removesuffix(": ")


def state_with(state: str, failing: Iterable[Failing]) -> str:
    """Return a working tree's state (`live`), or a recent failure if the state would not mention one."""
    lately = next((one for one in failing if not one.recovered), None)
    if state != "live" or lately is None:
        return state
    times = "" if lately.failures == 1 else f" {lately.failures} times"
    return f"live, but {lately.work} failed{times} and is being retried: {lately.reason}"
