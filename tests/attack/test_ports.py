"""What of a machine is open to the network: the team's port where its user says, the other while a ticket is out."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.errors import PortTaken
from bough_daemon.team.invites import VALID_MS
from bough_daemon.team.team_files import now_ms
from bough_daemon.team.tickets import Ticket

from tests.attack.mallory import LOOPBACK, invited_by
from tests.cli.conftest import Member
from tests.cli.test_two_members import join
from tests.daemon.machines import machines, run
from tests.daemon.team_support import Side, eventually


def is_open(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def ports(listening: list[str]) -> dict[str, tuple[str, int]]:
    """Return the open addresses, by whom they are for."""
    found = (re.fullmatch(r"(.*):(\d+) \((.*)\)", one) for one in listening)
    return {match[3]: (match[1].strip("[]"), int(match[2])) for match in found if match is not None}


def joining(side: Side) -> bool:
    return "new members" in ports(side.listener.listening())


def test_new_members_are_listened_for_while_a_ticket_is_out(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            assert not joining(alice)
            first = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            port = ports(alice.listener.listening())["new members"][1]
            assert is_open(LOOPBACK, port) and first.addresses == (f"{LOOPBACK}:{port}",)
            second = (await alice.sync.invite()).ticket
            bob = await all_of.start("bob")
            await bob.sync.join(str(first), "bob")
            await eventually(lambda: alice.is_connected("bob"))
            assert joining(alice), "the other ticket is out"
            await all_of.stop(alice)
            assert not is_open(LOOPBACK, port)
            alice = await all_of.start("alice")
            await eventually(lambda: joining(alice), "listening for the holder of the ticket after a restart")
            carol = await all_of.start("carol")
            await carol.sync.join(second, "carol")
            await eventually(lambda: not joining(alice), "closing when no ticket is out")
            await eventually(lambda: not is_open(LOOPBACK, port), "nobody listening there")
            await all_of.stop(alice)
            alice = await all_of.start("alice")
            await eventually(lambda: alice.is_connected("bob") and alice.is_connected("carol"))
            await eventually(lambda: not joining(alice), "closing when both have been seen again")
            assert ports((await alice.sync.invite()).opened).keys() == {"new members"}

    run(test())


def test_who_never_connects_keeps_the_port_open_for_a_moment_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.sync.invitations.ANSWER_AGAIN_MS", 300)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            await invited_by(alice, folder)
            assert "mallory" in alice.sync.roster.members
            await eventually(lambda: not joining(alice))

    run(test())


def test_an_expired_ticket_closes_the_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bough_daemon.sync.invitations.LONGEST_LOOK", 0.05)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            await alice.sync.invite(LOOPBACK)
            assert joining(alice)
            monkeypatch.setattr("bough_daemon.sync.invitations.now_ms", lambda: now_ms() + VALID_MS)
            await eventually(lambda: not joining(alice))

    run(test())


def test_an_invitation_that_cannot_listen_leaves_no_ticket_and_all_as_it_was(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            before = alice.listener.listening()
            with socket.socket() as taken:
                taken.bind((LOOPBACK, 0))
                taken.listen()
                with pytest.raises(PortTaken):
                    await alice.sync.invite(f"{LOOPBACK}:{taken.getsockname()[1]}")
            assert alice.listener.listening() == before and is_open(LOOPBACK, ports(before)["teammates"][1])
            assert not alice.sync._team.invites.made

    run(test())


def test_moving_to_another_address_closes_the_one_before(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            port = ports(alice.listener.listening())["teammates"][1]
            await alice.sync.invite("127.0.0.2")
            moved = ports(alice.listener.listening())
            assert {host for host, _ in moved.values()} == {"127.0.0.2"}
            assert not is_open(LOOPBACK, port) and is_open(*moved["teammates"])
            # The same port on another interface.
            await alice.sync.invite(f"127.0.0.3:{moved['teammates'][1]}")
            assert not is_open(*moved["teammates"]) and is_open("127.0.0.3", moved["teammates"][1])
            tip = await alice.save({"a.txt": b"moved\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))

    run(test())


def test_the_settings_say_where_teammates_call_and_the_last_word_counts(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    refused = alice.types("config", "set", "team.listen", "nowhere at all")
    assert refused.code == 2 and "HOST, HOST:PORT or :PORT" in refused.err, refused
    alice.bough("config", "set", "team.listen", "127.0.0.2")
    alice.bough("up")
    host, port = ports(alice.told("status")["listening"])["teammates"]
    assert host == "127.0.0.2" and is_open(host, port)
    assert alice.types("invite").code == 0  # not on every interface: the user has said where
    assert {host for host, _ in ports(alice.told("status")["listening"]).values()} == {"127.0.0.2"}
    alice.bough("config", "set", "team.listen", "127.0.0.3")
    assert ports(alice.told("status")["listening"])["teammates"][0] == "127.0.0.3" and not is_open(host, port)
    join(alice, bob, "--listen", "127.0.0.4")
    assert ports(alice.told("status")["listening"])["teammates"][0] == LOOPBACK  # by `invite --listen`
    assert ports(bob.told("status")["listening"]).keys() == {"teammates"}
    assert ports(bob.told("status")["listening"])["teammates"][0] == "127.0.0.4"
    alice.ends()
    (alice.tree / "a.txt").write_text("after a restart\n")
    alice.bough("save", "--wait", "bob")
    assert ports(alice.told("status")["listening"])["teammates"][0] == LOOPBACK
    assert "ok  network: listening on 127.0.0.1:" in alice.types("doctor").out


def test_a_join_that_fails_opens_nothing(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    for member in (alice, bob):
        member.bough("up")
    before = bob.told("status")["listening"]
    ticket = alice.bough("invite", "--listen", LOOPBACK).splitlines()[-1]
    assert bob.types("join", ticket, "--as", "alice", "--listen", "127.0.0.5").code == 1
    assert ports(bob.told("status")["listening"])["teammates"] == ports(before)["teammates"]
