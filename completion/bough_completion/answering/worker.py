"""One thread that does all work on the engines; what a member waits for goes first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from queue import PriorityQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
_URGENT, _LATER, _LAST = range(3)
_Job = tuple[int, int, Callable[[], None] | None]


class Worker:
    """Run jobs one at a time: the urgent ones first, those of the same urgency in order."""

    def __init__(self) -> None:
        self._order = count()
        self._jobs: PriorityQueue[_Job] = PriorityQueue()
        self._thread = Thread(target=self._run, name="completion-worker")
        self._thread.start()

    def submit(self, job: Callable[[], T], urgent: bool = False) -> Future[T]:
        """Run `job` on the thread; the future holds what it returns or raises."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(job())
            except BaseException as failure:
                future.set_exception(failure)

        self._jobs.put((_URGENT if urgent else _LATER, next(self._order), run))
        return future

    @property
    def has_urgent(self) -> bool:
        """Return whether an urgent job is waiting; any thread may ask."""
        with self._jobs.mutex:
            return bool(self._jobs.queue) and self._jobs.queue[0][0] == _URGENT

    def close(self) -> None:
        """Finish what was submitted and end the thread."""
        self._jobs.put((_LAST, next(self._order), None))
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()[2]) is not None:
            job()
