"""What is said on the local network tells teammates who is there, and strangers nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from bough_daemon.sync import discovery
from bough_daemon.sync.discovery import SLOT_SECONDS, Allowance, Discovery, beacon, read_beacon

NOW = 1_700_000_000.0
NONCE = b"12345678"


@dataclass
class Missing:
    """A member who misses others."""

    team_id: str = "ab" * 16
    key: bytes = b"alice" * 6
    port: int = 22_222
    names: dict[bytes, str] = field(default_factory=dict)
    called: list[tuple[str, str]] = field(default_factory=list)

    def missing(self) -> dict[bytes, str]:
        return self.names

    def found(self, name: str, address: str) -> None:
        self.called.append((name, address))


ALICE = Missing()


def bob() -> Missing:
    return Missing(key=b"bob" * 10, names={b"carol" * 6: "carol", ALICE.key: "alice"})


def test_a_teammate_sees_who_it_is_and_on_which_port() -> None:
    for later in (0.0, SLOT_SECONDS, -SLOT_SECONDS):
        assert read_beacon(beacon(ALICE, NOW, NONCE), bob(), NOW + later) == ("alice", 22_222)


@pytest.mark.parametrize(
    ("change", "seeker", "later"),
    [
        (lambda data: data, Missing("cd" * 16, names=bob().names), 0.0),  # in another team
        (lambda data: data, Missing(names={b"carol" * 6: "carol"}), 0.0),  # connected already
        (lambda data: data, bob(), 2.0 * SLOT_SECONDS),  # of before
        (lambda data: data[:6] + b"\0\x16" + data[8:], bob(), 0.0),  # with another port
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), bob(), 0.0),
        (lambda data: data[:-1], bob(), 0.0),
        (lambda data: data + b"\0", bob(), 0.0),
        (lambda data: b"", bob(), 0.0),
    ],
)
def test_everything_else_is_nobody_s(change: Callable[[bytes], bytes], seeker: Missing, later: float) -> None:
    assert read_beacon(change(beacon(ALICE, NOW, NONCE)), seeker, NOW + later) is None


def test_strangers_cannot_tell_two_teams_or_two_members_apart_nor_one_from_itself() -> None:
    said = [beacon(one, NOW, os.urandom(8)) for one in (ALICE, ALICE, bob(), Missing("cd" * 16))]
    secret = [data[8:] for data in said]  # after what all daemons say, and the port
    assert all(
        one[at : at + 4] not in other for one in secret for other in secret if one is not other for at in (0, 8, 24)
    )
    assert not any(word in data for data in said for word in (b"alice", b"bob", b"ab" * 16, bytes.fromhex("ab" * 16)))


def test_only_so_much_happens_in_some_time() -> None:
    allowance = Allowance(rate=0.1, most=3.0)
    assert [allowance.take(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(109.0), allowance.take(110.5), allowance.take(111.0)] == [False, True, False]
    assert [allowance.take(1e6) for _ in range(5)] == [True, True, True, False, False]


def heard(data: list[bytes], seeker: Missing, is_on: bool = True) -> int:
    """Have a seeker hear datagrams over a socket; return how often it was looked at one."""
    looked = 0
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    class Near:
        """A socket whose datagrams come from the local network."""

        def fileno(self) -> int:
            return there.fileno()

        def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
            nonlocal looked
            received = there.recv(size)
            looked += 1
            return received, ("10.0.0.7", 1)

        def close(self) -> None:
            pass

    async def test() -> None:
        there.setblocking(False)
        made = Discovery(lambda: [seeker], lambda: is_on)
        made._socket = Near()  # type: ignore[assignment]
        asyncio.get_running_loop().add_reader(there, made._read)
        for one in data:
            await asyncio.get_running_loop().sock_sendall(here, one)
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0.005)
        made._close()

    here.setblocking(False)
    with here, there:
        asyncio.run(test())
    return looked


def test_a_teammate_who_is_heard_is_called_where_they_are() -> None:
    seeker = bob()
    heard([beacon(ALICE, time.time(), NONCE), b"noise"], seeker)
    assert seeker.called == [("alice", "10.0.0.7:22222")]


def test_a_flood_costs_a_few_looks_and_calls() -> None:
    seeker = bob()
    assert heard([beacon(ALICE, time.time(), os.urandom(8)) for _ in range(150)], seeker) <= 60
    assert 0 < len(seeker.called) <= discovery.CALLS_A_MINUTE / 2


def test_where_it_is_turned_off_or_nobody_is_missing_nothing_is_opened_or_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Discovery, "_open", lambda _: pytest.fail("the network was used"))
    for seeker, is_on in ((bob(), False), (ALICE, True), (Missing(port=0, names=bob().names), True)):
        Discovery(lambda: [seeker], lambda: is_on)._look(NOW)


def test_who_has_been_missing_for_long_is_looked_for_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, now, seeker = list[float](), NOW, bob()
    made = Discovery(lambda: [seeker], lambda: True)
    monkeypatch.setattr(Discovery, "_open", lambda _: None)
    monkeypatch.setattr(Discovery, "_send", lambda *_: sent.append(now))
    for step in range(60):
        now = NOW + 5.0 * step
        made._look(now)
    assert len([at for at in sent if at <= NOW + 60]) == 13 and len(sent) < 24
    made.look_soon()
    made._look(now)
    assert sent[-1] == now
