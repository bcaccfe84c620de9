"""The single thread that owns a store, and waiting for threads despite cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_here = threading.local()


def piece_of_work() -> int:
    """Return which piece of work this thread is at, counted by a StoreThread; 0 on any other thread."""
    return getattr(_here, "piece", 0)


class StoreThread:
    """A single thread that coroutines hand work to."""

    def __init__(self, name: str) -> None:
        self.busy_since: float | None = None  # seconds since the epoch
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Run `work` on the thread and return its result.

        Work that has started is finished even if the waiting coroutine is cancelled.
        """

        def noted() -> T:
            self.busy_since = time.time()
            _here.piece = piece_of_work() + 1
            try:
                return work(*arguments, **named)
            finally:
                self.busy_since = None

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, noted))

    def close(self) -> None:
        """Finish the submitted work, then end the thread."""
        self._pool.shutdown(wait=True)


def is_cancelled() -> bool:
    """Return whether the current task itself was cancelled, rather than something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def to_the_end(work: Awaitable[T], hurry: Callable[[], object] = lambda: None) -> T:
    """Wait for work on a thread, even if cancelled: what it uses must outlive it. `hurry` is called when cancelled."""
    begun = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        hurry()
        while not begun.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([begun])
        raise
