"""Waiting that cancelling does not cut short."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def is_cancelled() -> bool:
    """Return whether the current task itself is cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def to_the_end(work: Awaitable[T]) -> T:
    """Wait for work on a thread, also when cancelled meanwhile: what it uses must outlive it."""
    begun = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        while not begun.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([begun])
        raise
