"""What was needed for a moment goes back to the system, also from below what is still needed."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pygit2
import pytest
from bough_daemon.system.memory import give_back_now_and_then, let_go_of_code

BLOCK, BLOCKS = 64 * 1024, 512  # of a size that the C library takes from its heap
FREED = BLOCK * (BLOCKS - 1)
PAGE = 4096


def resident_bytes() -> int:
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * PAGE


needs_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc"
)


def code_spans() -> Iterator[tuple[int, int, int]]:
    """Yield the first and the last address of each library's code, and how many bytes of it are in memory."""
    with open("/proc/self/smaps") as told:
        span = None
        for line in told:
            words = line.split()
            if words[1] == "r-xp" or "-" in words[0]:
                start, _, end = words[0].partition("-")
                span = (int(start, 16), int(end, 16)) if words[1] == "r-xp" and ".so" in line else None
            elif words[0] == "Rss:" and span is not None:
                yield *span, int(words[1]) << 10


@needs_glibc
def test_code_that_is_not_needed_now_is_not_kept_in_memory_and_runs_when_it_is() -> None:
    def use() -> str:
        return str(pygit2.hash(b"x")) + hashlib.sha3_256(b"x").hexdigest()

    used = use()
    for start, end, _ in list(code_spans()):
        for page in range(start, end, PAGE):
            ctypes.string_at(page, 1)
    before = sum(size for _, _, size in code_spans())
    let_go_of_code()
    assert sum(size for _, _, size in code_spans()) < before * 0.8
    assert use() == used


@needs_glibc
def test_memory_below_what_is_still_needed_goes_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [libc.malloc(BLOCK) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    for block in blocks[:-1]:  # the last one is above them, so that they cannot go back by themselves
        libc.free(block)
    before = resident_bytes()

    async def until_given_back() -> None:
        giving = asyncio.create_task(give_back_now_and_then(0.01, 0.01))
        deadline = time.monotonic() + 20
        while resident_bytes() > before - FREED // 2 and time.monotonic() < deadline:  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0.01)
        giving.cancel()
        with suppress(asyncio.CancelledError):
            await giving

    asyncio.run(until_given_back())
    assert resident_bytes() <= before - FREED // 2
    libc.free(blocks[-1])
