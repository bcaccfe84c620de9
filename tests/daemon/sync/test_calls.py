"""Who is called when, and at which of their addresses."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from bough_daemon.home import Home
from bough_daemon.store.packs import Limits, Spool
from bough_daemon.sync import calls
from bough_daemon.sync.calls import LATELY_PAUSE, LONGEST_PAUSE, Calls, longest_pause
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.listener import Pipe
from bough_daemon.system import knocking
from bough_daemon.system.knocking import Knock
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.roster import Roster

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("away", "pause"),
    [(0.0, LATELY_PAUSE), (60.0, LATELY_PAUSE), (600.0, 15.0), (1200.0, LONGEST_PAUSE), (86400.0, LONGEST_PAUSE)],
)
def test_the_longer_a_member_is_away_the_less_often_they_are_called(away: float, pause: float) -> None:
    assert longest_pause(away) == pause


def test_however_often_a_member_is_to_be_called_at_once_it_is_seldom(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, bob = (load_identity(Home(str(folder / name), str(folder / name))) for name in ("alice", "bob"))
    roster = Roster.found(me, "alice", NOW)
    roster.admit(me, "bob", bob.key, bob.certificate, bob.vouch, NOW)
    roster.announce(bob, ["127.0.0.1:1"], NOW)
    called = list[float]()

    async def knock(address: str, delay: float) -> Knock:
        called.append(time.monotonic())
        return Knock(address, failure="connection refused")

    monkeypatch.setattr(knocking, "_knock", knock)
    monkeypatch.setattr(calls, "NUDGE_PAUSE", 0.2)

    async def test() -> None:
        background = Supervisor()
        made = Calls(_exchange(folder, roster, me), me, background, lambda _: None, _hold)
        made.begin()
        began = time.monotonic()
        while time.monotonic() < began + 0.7:
            made.at_once()
            await asyncio.sleep(0.001)
        await background.close()
        assert 2 <= len(called) <= 5, called
        assert made.failures["bob"].address == "127.0.0.1:1" and made.failures["bob"].reason == "connection refused"

    asyncio.run(test())


def _exchange(folder: Path, roster: Roster, me: Identity) -> Exchange:
    return Exchange("alice", roster, lambda: Spool.below(str(folder)), Limits(), me.key)


async def _hold(name: str, pipe: Pipe) -> None:
    raise AssertionError(f"nobody answered, and {name} was talked with")
