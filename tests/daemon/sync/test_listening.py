"""Where a daemon listens, and what others are told of that."""

from __future__ import annotations

import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from bough_daemon.api.notices import AddressGone
from bough_daemon.errors import BadUsage
from bough_daemon.home import Home
from bough_daemon.sync.listener import ListenSettings, PeerListener
from bough_daemon.system.addresses import EVERYWHERE, split_address
from bough_daemon.team.identity import load_identity
from bough_daemon.team.tickets import Ticket

from tests.daemon.machines import LOOPBACK, machines, run
from tests.daemon.team_support import eventually

LOOPBACK6 = "[::1]"


def free_port() -> int:
    """Return a port that is free, and so is the one after it: neither is one that a connection may get by chance."""
    while True:
        port = random.SystemRandom().randrange(12_000, 20_000)
        with suppress(OSError), socket.create_server((LOOPBACK, port)), socket.create_server((LOOPBACK, port + 1)):
            return port


def listening(
    folder: Path, settings: ListenSettings, check: Callable[[PeerListener], Awaitable[None]], clone: str = ""
) -> None:
    """Start a listener with these settings, as often as it is called in one folder, and look at it."""

    async def test() -> None:
        home = Home(str(folder), str(folder))
        listener = PeerListener(home.clone(clone) if clone else home, load_identity(home))
        await listener.start(settings)
        try:
            await check(listener)
        finally:
            await listener.stop()

    run(test())


def test_the_port_is_that_of_the_setting_and_new_members_have_the_next_one(folder: Path) -> None:
    port, other = free_port(), free_port()

    async def check(listener: PeerListener) -> None:
        assert (listener.door.host, listener.door.port) == (LOOPBACK, port)  # the port alone opens nothing
        await listener.expect("team", True)
        assert listener.join_addresses() == (f"{LOOPBACK}:{port + 1}",)
        await listener.follow(ListenSettings(port=other))
        assert listener.addresses() == (f"{LOOPBACK}:{other}",)
        assert listener.join_addresses() == (f"{LOOPBACK}:{other + 1}",)
        assert (await listener.open(None))[0] == f"{EVERYWHERE}:{other} (teammates)"

    listening(folder, ListenSettings(port=port), check)


def test_a_port_that_is_named_with_an_address_goes_before_that_of_the_setting(folder: Path) -> None:
    named, port = free_port(), free_port()

    async def check(listener: PeerListener) -> None:
        assert listener.addresses() == (f"{LOOPBACK}:{named}",)

    listening(folder, ListenSettings(f"{LOOPBACK}:{named}", port), check)


def test_a_clone_that_is_its_own_member_listens_beside_its_home(folder: Path) -> None:
    port = free_port()

    async def check(listener: PeerListener) -> None:
        assert listener.door.port not in (0, port)

    listening(folder, ListenSettings(f"{LOOPBACK}:{port}", port), check, clone="0123456789abcdef")


def test_what_is_advertised_comes_first_and_is_remembered(folder: Path) -> None:
    settings = ListenSettings(advertise="vpn.example:7000, [fd00::1]:8000")

    async def check(listener: PeerListener) -> None:
        listener.advertise("203.0.113.9:9000")
        with pytest.raises(BadUsage):
            listener.advertise("203.0.113.9")
        here = f"{LOOPBACK}:{listener.door.port}"
        assert listener.addresses() == ("203.0.113.9:9000", "vpn.example:7000", "[fd00::1]:8000", here)
        assert listener.join_addresses()[:3] == ("203.0.113.9:9001", "vpn.example:7001", "[fd00::1]:8001")

    async def again(listener: PeerListener) -> None:
        assert listener.addresses()[0] == "203.0.113.9:9000"
        listener.advertise("")
        assert len(listener.addresses()) == 1

    listening(folder, settings, check)
    listening(folder, ListenSettings(), again)


def test_members_are_told_what_is_advertised_when_it_changes(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            alice.listener.advertise("203.0.113.9:9000")
            await eventually(lambda: bob.sync.roster.addresses("alice")[0] == "203.0.113.9:9000")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            assert ticket.addresses[0] == "203.0.113.9:9001"

    run(test())


def test_a_team_meets_over_ipv6(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            made = await alice.sync.invite(LOOPBACK6)
            assert made.opened[0].startswith(f"{LOOPBACK6}:")
            assert [split_address(one)[0] for one in Ticket.parse(made.ticket).addresses] == ["::1"]
            await bob.listener.open(LOOPBACK6)
            await bob.sync.join(made.ticket, "bob")
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))
            session = alice.sync._conversations._sessions["bob"]
            assert session.local == "::1"
            tip = await bob.save({"a.txt": b"over IPv6\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)

    run(test())


def test_another_port_is_taken_where_the_first_ones_are_in_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    with socket.socket() as used:
        used.bind((LOOPBACK, 0))
        used.listen()
        taken = used.getsockname()[1]
        monkeypatch.setattr("bough_daemon.sync.listener.ports_for", lambda port: [taken, taken, free])

        async def is_there(listener: PeerListener) -> None:
            assert listener.addresses() == (f"{LOOPBACK}:{free}",)

        listening(folder, ListenSettings(), is_there)


@pytest.mark.parametrize("host", ["[::]", "0.0.0.0", "[::1]", LOOPBACK])
def test_a_restart_listens_where_it_did_before(folder: Path, host: str) -> None:
    settings = ListenSettings(listen=f"{host}:{free_port()}")

    async def is_there(listener: PeerListener) -> None:
        assert listener.door.host == host and listener.notices() == []

    listening(folder, settings, is_there)
    listening(folder, settings, is_there)


def test_a_name_is_not_looked_up_for_each_status(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_there(listener: PeerListener) -> None:
        monkeypatch.setattr("bough_daemon.sync.listener.is_here", lambda host: pytest.fail(f"{host} is looked up"))
        assert listener.door.host == "localhost" and listener.notices() == []

    listening(folder, ListenSettings(listen=f"localhost:{free_port()}"), is_there)


def test_an_address_that_this_machine_does_not_have_is_returned_to_when_it_is_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, home = free_port(), "127.0.0.77"
    settings = ListenSettings(listen=f"{home}:{port}")
    monkeypatch.setattr("bough_daemon.sync.listener.is_here", lambda host: host != home)

    async def stays_away(listener: PeerListener) -> None:
        assert listener.door.host == LOOPBACK, "nobody else is let in where the user named one address"
        assert listener.notices() == [AddressGone(home)]
        listener.network_changed(False)
        assert listener.door.host == LOOPBACK

    async def returns(listener: PeerListener) -> None:
        await stays_away(listener)
        monkeypatch.setattr("bough_daemon.sync.listener.is_here", lambda host: True)
        listener.network_changed(False)
        await eventually(lambda: listener.addresses() == (f"{home}:{port}",))
        assert listener.notices() == []

    async def is_there(listener: PeerListener) -> None:
        assert listener.addresses() == (f"{home}:{port}",)

    listening(folder, settings, stays_away)
    listening(folder, settings, returns)
    listening(folder, settings, is_there)


def test_an_address_that_is_taken_when_it_is_back_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, home = free_port(), "127.0.0.77"
    here = set[str]()
    monkeypatch.setattr("bough_daemon.sync.listener.is_here", lambda host: host != home or home in here)

    async def check(listener: PeerListener) -> None:
        here.add(home)
        with socket.create_server((home, port)):
            listener.network_changed(False)
            returning = listener._returning
            assert returning is not None
            await returning
            assert listener.door.host == LOOPBACK
        listener.network_changed(True)
        await eventually(lambda: listener.addresses() == (f"{home}:{port}",))

    listening(folder, ListenSettings(listen=f"{home}:{port}"), check)
