"""Find teammates on the local network whose addresses are unknown.

While a teammate is missing, a datagram is sent to a multicast group periodically. It reveals a port to strangers and
nothing else: the rest are HMACs, by which a member of the same team recognizes the team and the sender. All that
follows from a datagram is a call, over mutual TLS, to the member whose certificate is known; at most a few a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bough_daemon.system.addresses import join_address, private_addresses

log = logging.getLogger(__name__)

# From the range for local use (RFC 2365), and a port below those of outgoing connections.
GROUP, PORT = "239.255.66.111", 26_111
MAGIC = b"bough\x01"
NONCE_BYTES, TAG_BYTES, HINT_BYTES = 8, 16, 4
HEAD = struct.Struct(f">{len(MAGIC)}sH{NONCE_BYTES}s")
SLOT_SECONDS = 60  # that a datagram is valid; clocks may differ by as much
LOOK_SECONDS = (
    5.0  # between two datagrams while someone has been missing briefly, and between checks for missing members
)
SELDOM_SECONDS, LATELY_SECONDS = 30.0, 60.0  # between two datagrams after that, and the delay until then
HEARD_A_SECOND = 50  # datagrams that are read; the system drops the rest
CALLS_A_MINUTE = 6.0


class Seeker(Protocol):
    """A member of a team who may miss others. `port`: where they can be called; 0: they cannot."""

    @property
    def team_id(self) -> str:
        """The team's id."""

    @property
    def key(self) -> bytes:
        """The member's signing key."""

    @property
    def port(self) -> int:
        """The port on which teammates call; 0: they cannot."""

    def missing(self) -> Mapping[bytes, str]:
        """Return the names of teammates who are not connected, by their keys."""

    def found(self, name: str, address: str) -> None:
        """Call a teammate at a possible address."""


@dataclass
class Allowance:
    """Limit how often something happens: `rate` times a second, and `most` times at once."""

    rate: float
    most: float
    _left: float = 1.0
    _last: float = 0.0

    def take(self, now: float) -> bool:
        """Return whether it may happen at `now`, in seconds on any clock, and count it then."""
        self._left = min(self.most, self._left + max(0.0, now - self._last) * self.rate)
        self._last = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def beacon(seeker: Seeker, now: float, nonce: bytes) -> bytes:
    """Return the datagram of a member; `now`: seconds since the epoch."""
    head = HEAD.pack(MAGIC, seeker.port, nonce)
    return head + _tag(seeker.team_id, int(now) // SLOT_SECONDS, head) + _hint(seeker.team_id, head, seeker.key)


def read_beacon(data: bytes, seeker: Seeker, now: float) -> tuple[str, int] | None:
    """Return the missing teammate and the port in a datagram; None if it is from anyone else."""
    if len(data) != HEAD.size + TAG_BYTES + HINT_BYTES or not data.startswith(MAGIC):
        return None
    head, tag, hint = data[: HEAD.size], data[HEAD.size : -HINT_BYTES], data[-HINT_BYTES:]
    slot = int(now) // SLOT_SECONDS
    if not any(hmac.compare_digest(_tag(seeker.team_id, one, head), tag) for one in (slot, slot - 1, slot + 1)):
        return None
    port = HEAD.unpack(head)[1]
    names = (name for key, name in seeker.missing().items() if _hint(seeker.team_id, head, key) == hint)
    name = next(names, None)
    return (name, port) if name is not None and port else None


def _tag(team: str, slot: int, head: bytes) -> bytes:
    return hmac.digest(f"bough beacon {team}".encode(), slot.to_bytes(8, "big") + head, hashlib.sha256)[:TAG_BYTES]


def _hint(team: str, head: bytes, key: bytes) -> bytes:
    return hmac.digest(f"bough member {team}".encode(), head + key, hashlib.sha256)[:HINT_BYTES]


class Discovery:
    """Find the missing teammates of every seeker while `is_on`. On the loop's thread only."""

    def __init__(self, seekers: Callable[[], Iterable[Seeker]], is_on: Callable[[], bool]) -> None:
        self._seekers = seekers
        self._is_on = is_on
        self._socket: socket.socket | None = None
        self._joined: list[str] = []
        self._soon = asyncio.Event()
        self._missing = frozenset[bytes]()
        self._since = 0.0
        self._sent = 0.0
        self._heard = Allowance(HEARD_A_SECOND, HEARD_A_SECOND)
        self._calls = Allowance(CALLS_A_MINUTE / 60, CALLS_A_MINUTE / 2)

    def look_soon(self) -> None:
        """Send a datagram at once if anyone is missing: the network has changed."""
        self._since = self._sent = 0.0
        self._missing = frozenset()
        self._close()
        self._soon.set()

    async def run(self) -> None:
        """Search for missing members, forever."""
        try:
            while True:
                self._soon.clear()
                self._look(time.monotonic())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._soon.wait()
        finally:
            self._close()

    def _look(self, now: float) -> None:
        seekers = [one for one in self._seekers() if one.port] if self._is_on() else []
        missing = frozenset(key for one in seekers for key in one.missing())
        if not missing:
            self._missing = missing
            self._close()
            return
        if missing - self._missing:
            self._since = self._sent = now
        self._missing = missing
        if now - self._since > LATELY_SECONDS and now - self._sent < SELDOM_SECONDS:
            return
        if self._socket is None:
            self._open()
        self._sent = now
        for one in seekers:
            if one.missing():
                self._send(beacon(one, time.time(), os.urandom(NONCE_BYTES)))

    def _open(self) -> None:
        """Listen on private networks only; where the system refuses, nothing is found."""
        self._joined = private_addresses()
        if not self._joined:
            return
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            # Every daemon on this machine receives it.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            made.bind((GROUP, PORT))
            for address in self._joined:
                membership = socket.inet_aton(GROUP) + socket.inet_aton(address)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            asyncio.get_running_loop().add_reader(made, self._read)
        except OSError as failure:
            log.info("the local network is not searched: %s", failure)
            made.close()
            return
        self._socket = made

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        for address in self._joined if self._socket is not None else ():
            with contextlib.suppress(OSError):  # that network has just vanished
                assert self._socket is not None
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
                self._socket.sendto(data, (GROUP, PORT))

    def _read(self) -> None:
        """Read what arrived, up to a share: a flood stays with the system, which drops it."""
        made, loop = self._socket, asyncio.get_running_loop()
        while made is not None and self._heard.take(time.monotonic()):
            try:
                data, (host, _) = made.recvfrom(HEAD.size + TAG_BYTES + HINT_BYTES + 1)
            except OSError:
                return
            self._hear(data, host)
        if made is not None:
            loop.remove_reader(made)
            loop.call_later(1.0, self._listen_again, made)

    def _listen_again(self, made: socket.socket) -> None:
        if made is self._socket:
            asyncio.get_running_loop().add_reader(made, self._read)

    def _hear(self, data: bytes, host: str) -> None:
        if not ipaddress.ip_address(host).is_private:
            return
        for seeker in self._seekers():
            found = read_beacon(data, seeker, time.time())
            if found is not None and self._calls.take(time.monotonic()):
                name, port = found
                log.info("%s may be at %s", name, join_address(host, port))
                seeker.found(name, join_address(host, port))
