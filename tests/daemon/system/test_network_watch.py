"""A change of the network, and a sleep of the machine, are noticed."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import SimpleNamespace

import pytest
from bough_daemon.system import addresses, network_watch
from bough_daemon.system.network_watch import ASLEEP_SECONDS, LOOK_SECONDS, Wakefulness, watch_network

from tests.daemon.team_support import DEADLINE

SLEPT = LOOK_SECONDS + ASLEEP_SECONDS + 1.0


@pytest.mark.parametrize(
    ("wall", "monotonic", "slept"),
    [
        (LOOK_SECONDS, LOOK_SECONDS, False),
        (SLEPT, LOOK_SECONDS, True),  # suspended where the monotonic clock stops
        (SLEPT, SLEPT, True),  # stopped, or suspended where it goes on
        (-3600.0, LOOK_SECONDS, False),  # the clock was set back
    ],
)
def test_who_looks_too_late_has_slept(wall: float, monotonic: float, slept: bool) -> None:
    awake = Wakefulness(1e9, 50.0)
    assert awake.slept(1e9 + wall, 50.0 + monotonic) is slept
    assert not awake.slept(1e9 + wall + 1.0, 50.0 + monotonic + 1.0)


def changes_seen(monkeypatch: pytest.MonkeyPatch, now: list[str]) -> None:
    """Watch until a change of the addresses that are looked at was told of."""
    monkeypatch.setattr(network_watch, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(network_watch, "outward_addresses", lambda: list(now))

    async def test() -> None:
        told = asyncio.Event()

        def changed(slept: bool) -> None:
            assert not slept
            told.set()

        watching = asyncio.create_task(watch_network(changed))
        await asyncio.sleep(0)
        now[0] = "10.0.0.2"
        async with asyncio.timeout(DEADLINE):
            await told.wait()
        watching.cancel()

    asyncio.run(test())


def test_where_the_system_tells_nothing_the_addresses_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    changes_seen(monkeypatch, ["10.0.0.1"])


def test_a_sandbox_that_forbids_to_ask_is_as_a_system_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(network_watch, "socket", SimpleNamespace(**vars(socket) | {"socket": forbidden}))
    changes_seen(monkeypatch, ["10.0.0.1"])


def test_an_address_is_here_only_while_it_is_this_machine_s() -> None:
    assert addresses.is_here("127.0.0.1") and addresses.is_here("::1") and not addresses.is_here("192.0.2.7")
    assert all(map(addresses.is_here, ["[::]", "[::1]", "0.0.0.0", "localhost"]))
    assert not addresses.is_here("[2001:db8::7]") and not addresses.is_here("no.such.host.invalid")
    assert addresses.source_for("127.0.0.5").startswith("127.") and addresses.source_for("no address") == ""
