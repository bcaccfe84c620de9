"""Open resources one after another, and close them in reverse order, even when cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TypeVar

from bough_daemon.system.threads import to_the_end

T = TypeVar("T")


class Opened(AsyncExitStack):
    """What has been opened so far. All of it is closed, even if the closing task is cancelled."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool:
        """Close everything."""
        return bool(await to_the_end(super().__aexit__(kind, failure, traceback)))


@asynccontextmanager
async def held(make: Awaitable[T], release: Callable[[T], Awaitable[object]]) -> AsyncIterator[T]:
    """Hold what `make` creates until the end of the block, and release it then.

    Creation continues when the wait for it is cancelled, as a thread does; its result is released nevertheless.
    """
    making = asyncio.ensure_future(make)
    try:
        yield await to_the_end(making)
    finally:
        if making.done() and not making.cancelled() and making.exception() is None:
            await to_the_end(release(making.result()))
