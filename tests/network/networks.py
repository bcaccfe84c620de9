"""Networks for tests, of Linux network namespaces: hosts on one switch, and lines that are slow or let nobody in.

Needs root and iproute2. A line is carried by this process: its rate, its delay and what it lets through are ours.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.ready import NAMESPACE, enter

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SYN, ACK = 0x02, 0x10
NUMBERS = itertools.count()
PREFIX = "10.77.0."
ROUTER = 254


def ip(commands: str) -> None:
    """Carry out commands of `ip`, one a line."""
    done = subprocess.run(["ip", "-batch", "-"], input=commands, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Line:
    """A line between two namespaces. `rate`: bytes a second; `delay`: seconds one way; `incoming`: whether it lets in.

    With `cut` nothing passes; neither side's system notices.
    """

    near: int
    far: int
    rate: float = 1e9
    delay: float = 0.0
    incoming: bool = True
    cut: bool = False
    carried: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _queue: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _free: dict[int, float] = field(default_factory=dict)

    def carry(self) -> None:
        """Carry packets until `close`."""
        number = itertools.count()
        while not self._stop.is_set():
            now = time.monotonic()
            while self._queue and self._queue[0][0] <= now:
                _, _, to, packet = heapq.heappop(self._queue)
                with suppress(OSError):
                    os.write(to, packet)
            wait = min(0.1, self._queue[0][0] - now) if self._queue else 0.1
            for came in select.select([self.near, self.far], [], [], max(wait, 0.0))[0]:
                packet = os.read(came, 65536)
                to = self.far if came == self.near else self.near
                if self.cut or (to == self.near and not self.incoming and _opens(packet)):
                    continue
                free = max(time.monotonic(), self._free.get(to, 0.0))
                if free - time.monotonic() > 1.0:
                    continue  # the line's buffer is full
                self._free[to] = free + len(packet) / self.rate
                self.carried += len(packet)
                heapq.heappush(self._queue, (self._free[to] + self.delay, next(number), to, packet))

    def close(self) -> None:
        """Carry nothing any more."""
        self._stop.set()


def _opens(packet: bytes) -> bool:
    """Return whether an IPv4 packet opens a TCP connection."""
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return False
    return packet[(packet[0] & 15) * 4 + 13] & (SYN | ACK) == SYN


class Network:
    """Hosts on one switch. Each has the address `10.77.0.NUMBER`, or whatever `give` gave it last."""

    def __init__(self) -> None:
        self._tag = f"bough{os.getpid()}n{next(NUMBERS)}"
        self._hosts: dict[str, int] = {}
        self._lines: list[tuple[Line, threading.Thread]] = []
        self.switch = f"{self._tag}s"
        ip(f"netns add {self.switch}")
        self._in(self.switch, "link set lo up", "link add br0 type bridge", f"addr add {PREFIX}{ROUTER}/24 dev br0")
        self._in(self.switch, "link set br0 up")
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(["ip", "netns", "exec", self.switch, "sh", "-c", forward], check=True)

    def _in(self, namespace: str, *commands: str) -> None:
        done = subprocess.run(
            ["ip", "-n", namespace, "-batch", "-"],
            input="\n".join(commands),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}: {done.stderr}"

    def host(self, name: str) -> dict[str, str]:
        """Make a host on the switch and return the variables that put a process there."""
        namespace, number = self._name(name), len(self._hosts) + 1
        self._hosts[name] = number
        ip(f"netns add {namespace}\nlink add p{number} netns {self.switch} type veth peer name e0 netns {namespace}")
        self._in(self.switch, f"link set p{number} master br0 up")
        self._in(namespace, "link set lo up", "link set e0 up")
        self.give(name, f"{PREFIX}{number}")
        return self.variables(name)

    def variables(self, name: str) -> dict[str, str]:
        """Return the variables that put a process on a host."""
        return {NAMESPACE: f"/run/netns/{self._name(name)}"}

    def _name(self, host: str) -> str:
        return f"{self._tag}{host}"

    def give(self, name: str, address: str) -> None:
        """Give a host an address in the place of the one that it has."""
        family = ("-6", "64") if ":" in address else ("-4", "24")
        self._in(self._name(name), "addr flush dev e0 scope global")
        extra = " nodad" if ":" in address else ""
        self._in(self._name(name), f"addr add {address}/{family[1]} dev e0{extra}")
        if family[0] == "-4":
            self._in(self._name(name), f"route add default via {PREFIX}{ROUTER}")

    def cut(self, name: str) -> None:
        """Take a host off the switch: its own system does not notice."""
        self._in(self.switch, f"link set p{self._hosts[name]} nomaster")

    def heal(self, name: str) -> None:
        """Put a host back on the switch."""
        self._in(self.switch, f"link set p{self._hosts[name]} master br0")

    def apart(self, *names: str) -> None:
        """Make hosts on the switch that reach the others, but not each other."""
        for name in names:
            self.host(name)
            isolated = ["bridge", "-n", self.switch, "link", "set", "dev", f"p{self._hosts[name]}", "isolated", "on"]
            subprocess.run(isolated, check=True)

    def behind(self, name: str, **line: object) -> Line:
        """Make a host behind a line of its own, at 10.77.9.2, with a route to all the others."""
        namespace = self._name(name)
        ip(f"netns add {namespace}")
        near, far = _tun(namespace, "t0"), _tun(self.switch, f"t{name[:8]}")
        self._in(namespace, "link set lo up", "addr add 10.77.9.2/24 dev t0", "link set t0 up")
        self._in(namespace, "route add default via 10.77.9.1")
        self._in(self.switch, f"addr add 10.77.9.1/24 dev t{name[:8]}", f"link set t{name[:8]} up")
        self._hosts[name] = 0
        made = Line(near, far, **line)  # type: ignore[arg-type]
        thread = threading.Thread(target=made.carry, name=f"the line of {name}")
        thread.start()
        self._lines.append((made, thread))
        return made

    def close(self) -> None:
        """Remove all of it."""
        for line, thread in self._lines:
            line.close()
            thread.join()
            os.close(line.near)
            os.close(line.far)
        for name in (*map(self._name, self._hosts), self.switch):
            ip(f"netns del {name}")


def _tun(namespace: str, name: str) -> int:
    """Make a TUN device in a namespace and return its descriptor."""
    made = list[int]()

    def make() -> None:
        enter(f"/run/netns/{namespace}")
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
        made.append(descriptor)

    thread = threading.Thread(target=make)  # which is then in that namespace for good
    thread.start()
    thread.join()
    return made[0]


@contextmanager
def network() -> Iterator[Network]:
    """Yield a network; skip the test where there can be none."""
    why = _why_none()
    if why:
        pytest.skip(f"network namespaces: {why}")
    made = Network()
    try:
        yield made
    finally:
        made.close()


def _why_none() -> str:
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "they need root"
    try:
        done = subprocess.run(["ip", "netns", "add", f"bough{os.getpid()}try"], capture_output=True, check=False)
    except FileNotFoundError:
        return "they need iproute2"
    if done.returncode != 0:
        return done.stderr.decode(errors="replace").strip()
    ip(f"netns del bough{os.getpid()}try")
    return ""
