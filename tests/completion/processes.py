"""Start the completion process for a test, as the daemon does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bough_completion.wire import Blob


@asynccontextmanager
async def process(socket: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a completion process as long as the block, and see that it ends by itself."""
    command = (sys.executable, "-m", "bough_completion", str(socket), *options)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield child
        assert child.stdin is not None
        child.stdin.close()
        assert await asyncio.wait_for(child.wait(), 10) == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def blobs(*given: Blob) -> AsyncIterator[Blob]:
    """Yield blobs as a stream."""
    for blob in given:
        yield blob
