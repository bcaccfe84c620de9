"""What a person should know of the team is told, and not only logged."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from bough_daemon.api.notices import AdmissionsDropped, NoConnection, PortInUse
from bough_daemon.home import Home
from bough_daemon.sync.listener import PeerListener
from bough_daemon.team.identity import load_identity
from bough_daemon.team.roster import Roster

from tests.daemon.machines import LOOPBACK, machines, run
from tests.daemon.team_support import eventually


def test_why_a_teammate_refuses_every_conversation_is_told_until_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.1)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            assert alice.sync.notices() == bob.sync.notices() == []
            await all_of.stop(bob)
            with monkeypatch.context() as patch:
                patch.setattr(Roster, "caller", lambda *_: None)
                bob = await all_of.start("bob")
                await eventually(lambda: alice.sync.notices() and bob.sync.notices())
                (notice,) = alice.sync.notices()
                assert notice == NoConnection("bob", "no member of the team has this certificate")
                await all_of.stop(bob)
            bob = await all_of.start("bob")
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))
            await eventually(lambda: alice.sync.notices() == bob.sync.notices() == [])

    run(test())


def test_a_port_that_another_program_has_taken_is_told_until_another_one_is_chosen(folder: Path) -> None:
    async def test() -> None:
        home = Home(str(folder), str(folder))
        with socket.socket() as taken:
            taken.bind((LOOPBACK, 0))
            taken.listen()
            port = taken.getsockname()[1]
            door = {"host": LOOPBACK, "port": port, "chosen": True}
            Path(home.path("listen.json")).write_text(json.dumps(door))
            listener = PeerListener(home, load_identity(home))
            await listener.start()
            try:
                (notice,) = listener.notices()
                now = f"{LOOPBACK}:{listener.door.port}"
                assert notice == PortInUse(f"{LOOPBACK}:{port}", now, only_here=True)
                await listener.open(LOOPBACK)
                assert listener.notices() == []
            finally:
                await listener.stop()

    run(test())


def test_admissions_that_are_no_longer_taken_are_told(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            alice.sync.roster.dropped = 2
            assert alice.sync.notices() == [AdmissionsDropped(2)]

    run(test())
