"""A lost key on the machines of a team: what is completed later, and what the old key still says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.sync.messages import Announce, Refused
from bough_daemon.team.team_files import now_ms

from tests.daemon.machines import machines, run
from tests.daemon.support import git
from tests.daemon.team_support import eventually


def test_the_lost_key_is_out_though_both_who_vouched_were_killed_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol, new = await all_of.team("alice", "bob", "carol", "alice-2")
            old = await alice.save({"a.txt": b"with the old key\n"})
            await eventually(lambda: bob.tip_of("alice") == old == carol.tip_of("alice"))
            signed = next(one for one in bob.sync._exchange.known.values() if one.tip == old)
            await all_of.stop(alice)
            with monkeypatch.context() as patch:
                patch.setattr("bough_daemon.team.roster.ENOUGH", 3)  # as if neither had heard of the other
                assert bob.sync.vouch("alice-2", "alice") == ["bob"]
                carol.sync.vouch("alice-2", "alice")
                await eventually(lambda: len(bob.sync.roster.vouches) == 2 == len(new.sync.roster.vouches))
                await all_of.stop(carol)
            await all_of.stop(bob)
            bob = await all_of.start("bob")
            key = new.listener.identity.key
            await eventually(lambda: new.sync.roster.member("alice").key == key == bob.sync.roster.member("alice").key)
            assert any(event.kind == "called" and event.member == "alice-2" for event in new.events)
            # The old key's word counts no longer, whoever passes it on.
            carol = await all_of.start("carol")
            await eventually(lambda: bob.is_connected("carol"))
            later = replace(signed, sequence=signed.sequence + 5, time=now_ms()).signed(alice.listener.identity)
            for state in (signed, later):
                bob.sync._exchange.links["carol"].answers.clear()
                assert bob.sync._exchange.hear("carol", Announce(state), now_ms()) == []
                assert isinstance(bob.sync._exchange.links["carol"].answers.get(state.key), Refused)
            assert bob.tip_of("alice") is None

            async def rename() -> None:
                await asyncio.sleep(0)

            await new.sync.follow_name(rename)
            tip = await new.save({"a.txt": b"with the new key\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)
            kept = git(bob.root / ".git/bough/store.git", "for-each-ref", "--format=%(refname)", "refs/kept")
            assert f"refs/kept/alice/{old}" in kept.split()

    run(test())
