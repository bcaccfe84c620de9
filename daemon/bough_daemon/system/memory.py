"""Memory that was needed for a moment goes back to the system; the C library and the kernel would keep it.

That is what is free on the heap, and the pages of libraries' code. Starting goes through a lot of code that an idle
daemon never comes to again; what it does come to is still in the system's cache, and is there within microseconds.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

FIRST_SECONDS = 5.0  # after the start, which leaves much of it
EVERY_SECONDS = 60.0
MADV_DONTNEED = 4  # <asm-generic/mman-common.h>, the same on every Linux that CPython is built for but Alpha
MAPS = "/proc/self/maps"


async def give_back_now_and_then(first: float = FIRST_SECONDS, every: float = EVERY_SECONDS) -> None:
    """Return free memory to the system periodically; return at once if the C library cannot."""
    trim = _trim()
    pause = first
    while trim is not None:
        await asyncio.sleep(pause)
        await asyncio.to_thread(trim, 0)  # without the GIL, and in about a millisecond
        await asyncio.to_thread(let_go_of_code)
        pause = every


def _trim() -> Callable[[int], int] | None:
    """Return glibc's malloc_trim(3), None with another C library."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


def let_go_of_code() -> None:
    """Let go of the pages of libraries' code, which are read from their files again when they are needed.

    Nothing but code that no process may write to: its pages are as the file has them. On Linux with glibc.
    """
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open(MAPS) as listed:
        lines = [line.split(maxsplit=5) for line in listed]
    for span, rights, *_, path in (line for line in lines if len(line) == 6):
        if rights == "r-xp" and path.startswith("/") and ".so" in path:
            start, _, end = span.partition("-")
            advise(int(start, 16), int(end, 16) - int(start, 16), MADV_DONTNEED)
