"""The one thread that owns a store: everything that touches its pygit2 objects runs there, one thing after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Owner:
    """A single thread that coroutines hand work to."""

    def __init__(self, name: str) -> None:
        self.busy_since: float | None = None  # seconds since the epoch
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Run `work` on the thread and return what it returns.

        Work that has begun is finished even when the waiting coroutine is cancelled.
        """

        def noted() -> T:
            self.busy_since = time.time()
            try:
                return work(*arguments, **named)
            finally:
                self.busy_since = None

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, noted))

    def close(self) -> None:
        """Finish what was handed over, then end the thread."""
        self._pool.shutdown(wait=True)
