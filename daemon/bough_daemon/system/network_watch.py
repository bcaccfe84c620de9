"""Notice that this machine's network has changed, or that it was asleep.

Linux tells of each change over a netlink socket. Elsewhere the addresses that this machine speaks from are looked at,
which takes microseconds. The clocks are looked at everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bough_daemon.system.addresses import outward_addresses

LOOK_SECONDS = 2.0  # between looks at the clocks, and at the addresses where nothing tells of them
ASLEEP_SECONDS = 10.0  # that a look comes too late by before the machine counts as having been asleep
SETTLING_SECONDS = 0.2  # after a change: the next ones (an address, its route, IPv6) come within moments
# rtnetlink(7): RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
NETLINK_BYTES = 65536


@dataclass
class Wakefulness:
    """Decide whether this process has just slept: suspended with its machine, or stopped.

    One of the two clocks goes on in a sleep: which, depends on the system and on the kind of sleep.
    """

    wall: float
    monotonic: float

    def slept(self, wall: float, monotonic: float) -> bool:
        """Return whether more time has passed since the last look than looks are apart; seconds on both clocks."""
        passed = max(wall - self.wall, monotonic - self.monotonic)
        self.wall, self.monotonic = wall, monotonic
        return passed > LOOK_SECONDS + ASLEEP_SECONDS


async def watch_network(changed: Callable[[bool], None]) -> None:
    """Call `changed` on the loop whenever the network has changed, or with True when this machine has woken up."""
    event = asyncio.Event()
    awake, addresses = Wakefulness(time.time(), time.monotonic()), outward_addresses()
    with _told_by_the_system(event) as is_told:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await event.wait()
            if event.is_set():
                await asyncio.sleep(SETTLING_SECONDS)
            now = addresses if is_told else outward_addresses()
            slept = awake.slept(time.time(), time.monotonic())
            if event.is_set() or slept or now != addresses:
                addresses = now
                event.clear()
                changed(slept)


@contextlib.contextmanager
def _told_by_the_system(event: asyncio.Event) -> Iterator[bool]:
    """Set `event` whenever the system tells of a change; yield whether it does."""
    if sys.platform != "linux":
        yield False
        return
    try:
        told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError:  # a sandbox may forbid it
        yield False
        return

    def take() -> None:
        # What it is about is looked up; where so much came that some was lost, that was a change as well.
        with contextlib.suppress(OSError):
            while told.recv(NETLINK_BYTES):
                pass
        event.set()

    with told:
        told.bind((0, GROUPS))
        loop = asyncio.get_running_loop()
        loop.add_reader(told, take)
        try:
            yield True
        finally:
            loop.remove_reader(told)
