"""Find which of several addresses something listens on, without sending anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from bough_daemon.errors import BoughError
from bough_daemon.system.addresses import split_address

STAGGER = 0.15  # seconds between attempts at successive addresses
KNOCK_PATIENCE = 4.0  # seconds until an address must have answered: the third SYN is sent after 3 s


@dataclass(frozen=True)
class Knock:
    """Something listens at an address, reached from this machine's `local`; or `failure`: nothing answers."""

    address: str
    local: str = ""
    failure: str = ""


async def knocks(addresses: Sequence[str], enough: asyncio.Event | None = None) -> AsyncGenerator[Knock, None]:
    """Yield the results of connecting to the addresses, in the order of the answers, until `enough`."""
    waiting = [asyncio.create_task(_knock(address, number * STAGGER)) for number, address in enumerate(addresses)]
    stop: asyncio.Task[object] = asyncio.create_task((enough or asyncio.Event()).wait())
    try:
        while waiting and not stop.done():
            await asyncio.wait([*waiting, stop], return_when=asyncio.FIRST_COMPLETED)
            for answered in [task for task in waiting if task.done()]:
                waiting.remove(answered)
                yield answered.result()
    finally:
        for task in (*waiting, stop):
            task.cancel()
        await asyncio.gather(*waiting, stop, return_exceptions=True)


async def _knock(address: str, delay: float) -> Knock:
    await asyncio.sleep(delay)
    try:
        host, port = split_address(address)
        async with asyncio.timeout(KNOCK_PATIENCE):
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    except TimeoutError:
        return Knock(address, failure="no answer")
    except OSError as failure:
        said = os.strerror(failure.errno) if failure.errno and failure.errno > 0 else failure.strerror
        return Knock(address, failure=(said or str(failure)).lower())
    except BoughError as failure:
        return Knock(address, failure=failure.message)
    local = str(transport.get_extra_info("sockname")[0])
    transport.abort()
    return Knock(address, local)
