"""Notice that this machine's network has changed, or that it was asleep.

Linux reports each change over a netlink socket. Elsewhere the addresses that this machine sends from are polled, which
takes microseconds. The clocks are polled everywhere.
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

LOOK_SECONDS = 2.0  # between polls of the clocks, and of the addresses where nothing reports them
ASLEEP_SECONDS = 10.0  # that a poll is late by before the machine counts as having been asleep
SETTLING_SECONDS = 0.2  # after a change: related ones (an address, its route, IPv6) follow within moments
# rtnetlink(7): RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
NETLINK_BYTES = 65536


@dataclass
class Wakefulness:
    """Decide whether this process has just slept: suspended with its machine, or stopped.

    One of the two clocks continues during sleep: which one depends on the system and the kind of sleep.
    """

    wall: float
    monotonic: float

    def slept(self, wall: float, monotonic: float) -> bool:
        """Return whether more time has passed since the last poll than polls are apart; seconds on both clocks."""
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
    """Set `event` whenever the system reports a change; yield whether it does."""
    if sys.platform != "linux":
        yield False
        return
    try:
        told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError:  # a sandbox may forbid it
        yield False
        return

    def take() -> None:
        # Its content is not parsed; if messages were lost, that was a change too.
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
