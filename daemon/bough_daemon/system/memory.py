"""Memory that was needed for a moment goes back to the system; the C library would keep it."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

FIRST_SECONDS = 5.0  # after the start, of which a lot is left over
EVERY_SECONDS = 60.0


async def give_back_now_and_then(first: float = FIRST_SECONDS, every: float = EVERY_SECONDS) -> None:
    """Give back what is free, soon and then again and again; return at once where the C library has no word for it."""
    trim = _trim()
    pause = first
    while trim is not None:
        await asyncio.sleep(pause)
        await asyncio.to_thread(trim, 0)  # without the GIL, and in about a millisecond
        pause = every


def _trim() -> Callable[[int], int] | None:
    """Return glibc's malloc_trim(3), None with another C library."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
