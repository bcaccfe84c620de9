"""Run a child without blocking the loop, within limits of memory and time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from bough_daemon.budgets import CHILD_MEMORY_BYTES
from bough_daemon.errors import LimitReached

WORDS_BYTES = 16 << 10  # of a child's stderr that are kept
PASSING = tuple(map(os.strerror, (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO)))


async def run_limited(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    stdin: bytes | BinaryIO,
    stdout: BinaryIO | None = None,
    seconds: float | None = None,
) -> tuple[int, str]:
    """Run a child to completion and return its exit code and stderr.

    The child of a cancelled caller is killed, and so is one that takes longer than `seconds`, which raises
    TimeoutError. Raise LimitReached if the system killed the child, or could not provide what it needed.
    """
    child = await asyncio.create_subprocess_exec(
        *_within_memory(command),
        stdin=asyncio.subprocess.PIPE if isinstance(stdin, bytes) else stdin,
        stdout=asyncio.subprocess.DEVNULL if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await asyncio.gather(_words(child), _feed(child, stdin))
            code = await child.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(child.wait())
        raise
    if code < 0 or any(words in said for words in PASSING):
        raise LimitReached(said or f"{os.path.basename(command[0])} was ended by signal {-code}")
    return code, said


def _within_memory(command: Sequence[str]) -> Sequence[str]:
    """Limit what a child may allocate, where the system can: a small pack may inflate to anything.

    A shell sets the limit before it becomes the child: set later, it might come too late.
    """
    if sys.platform != "linux":
        return command
    return ("/bin/sh", "-c", 'ulimit -d "$0"; exec "$@"', str(CHILD_MEMORY_BYTES >> 10), *command)


async def _words(child: asyncio.subprocess.Process) -> str:
    """Return the beginning of a child's stderr; the rest is read, so that the child does not block, and dropped."""
    assert child.stderr is not None
    kept = bytearray()
    while more := await child.stderr.read(WORDS_BYTES):
        kept += more[: WORDS_BYTES - len(kept)]
    return kept.decode(errors="replace").strip()


async def _feed(child: asyncio.subprocess.Process, stdin: bytes | BinaryIO) -> None:
    if isinstance(stdin, bytes):
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            child.stdin.write(stdin)
            await child.stdin.drain()
        child.stdin.close()
