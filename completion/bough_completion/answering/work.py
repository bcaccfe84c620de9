"""A writer's work on one question, and its typical duration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from statistics import median
from time import monotonic

from bough_completion.answering.scheduler import QuestionTicket
from bough_completion.prompt.writers import Wish, Writer, WriterFailed, Written
from bough_completion.query import NO_USE, Suggestion

# Seconds that a writer may take after nobody waits: a late answer may still fit what is typed next.
LINGER = 5.0

# Makes the answer from what was written, together with what was known before.
Judge = Callable[[Written], Awaitable[list[Suggestion]]]


class WriterWork:
    """A request in progress. `best`: the answer so far; `waiting`: how many editors want a better one."""

    def __init__(
        self, writer: Writer, wish: Wish, ticket: QuestionTicket, best: list[Suggestion], judge: Judge
    ) -> None:
        """Start; stopping the ticket stops the work."""
        self.ticket = ticket
        self.writer = writer.name
        self.best = best
        self.waiting = 0
        self.is_stopped = False
        self.use = NO_USE
        # How long it took, in seconds; None until it is over, and if it failed or was stopped before anyone gave up.
        self.seconds: float | None = None
        self._begun = monotonic()
        self._task = asyncio.create_task(self._run(writer, wish, judge))
        ticket.when_stopped = self._stop

    @property
    def is_over(self) -> bool:
        """Return whether no better answer will come."""
        return self._task.done()

    async def by(self, deadline: float) -> None:
        """Wait for the whole answer, until `deadline` (monotonic seconds) at the latest."""
        await asyncio.wait({self._task}, timeout=max(0.0, deadline - monotonic()))

    def when_over(self, call: Callable[[WriterWork], None]) -> None:
        """Call back once it is finished, in whatever way."""
        self._task.add_done_callback(lambda _: call(self))

    def _stop(self) -> None:
        if self.is_over:
            return
        self.is_stopped = True
        if monotonic() - self._begun > self.ticket.query.patience:
            self.seconds = monotonic() - self._begun
        self._task.cancel()

    async def _run(self, writer: Writer, wish: Wish, judge: Judge) -> None:
        try:
            longest = max(LINGER, self.ticket.query.patience)
            async with asyncio.timeout(longest), aclosing(writer.write(wish)) as parts:
                async for part in parts:
                    self.best, self.use = await judge(part), part.use
            self.seconds = monotonic() - self._begun
        except TimeoutError:
            self.seconds = monotonic() - self._begun
        except WriterFailed:
            pass


class WriterPace:
    """A writer's recent durations."""

    def __init__(self) -> None:
        self._seconds = deque[float](maxlen=7)

    def add(self, seconds: float | None) -> None:
        """Take one duration into account."""
        if seconds is not None:
            self._seconds.append(seconds)

    def is_within(self, patience: float) -> bool:
        """Return whether waiting for so many seconds is likely to pay off; it is until three durations are known."""
        return len(self._seconds) < 3 or median(self._seconds) <= patience
