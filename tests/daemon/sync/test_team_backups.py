"""Restored backups, copies and moves: one member on several machines, and tips that would be left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.store.store import LIVE
from bough_daemon.sync.clones import Listeners
from bough_daemon.sync.jobs import Behind, Signed
from bough_daemon.sync.messages import Announce
from bough_daemon.system.durable import write_whole
from bough_daemon.team.team_files import now_ms

from tests.daemon.machines import LOOPBACK, Machines, machines, run
from tests.daemon.team_support import Side, eventually


def test_a_restored_backup_goes_on_above_what_peers_know(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await alice.save({"a.txt": b"1\n"})
            path = Path(alice.home.path("teams", alice.sync.team_id)) / "states.json"
            await all_of.stop(alice)
            backup = path.read_bytes()
            alice = await all_of.start("alice")
            await eventually(lambda: alice.is_connected("bob"))
            lost = await alice.save({"a.txt": b"2\n"})
            await eventually(lambda: bob.tip_of("alice") == lost)
            await all_of.stop(alice)
            await asyncio.to_thread(write_whole, str(path), backup)
            alice = await all_of.start("alice")
            await eventually(lambda: any(event.kind == "behind" for event in alice.events))
            tip = await alice.save({"a.txt": b"3\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)

    run(test())


def is_kept(side: Side, tip: str) -> bool:
    """Return whether a snapshot is kept beside the newest one of alice's branch, and has a reference of its own."""
    name = f"alice@{tip[:10]}"
    return any(one.tip == tip for one in side.sync.asides()) and side.store.ref(LIVE + name) == tip


class Backup:
    """A backup of what a member's machine has: the store, the home, or both."""

    def __init__(self, all_of: Machines, name: str) -> None:
        self.places = {
            "store": all_of.folder / name / ".git" / "bough",
            "home": all_of.folder / f"home-{name}",
        }
        self.kept = all_of.folder / "backup"
        for what, place in self.places.items():
            shutil.copytree(place, self.kept / what, symlinks=True)

    def restore(self, *what: str) -> None:
        """Put a machine that has stopped back to what it was."""
        for one in what:
            shutil.rmtree(self.places[one])
            shutil.copytree(self.kept / one, self.places[one], symlinks=True)


@pytest.mark.parametrize("restored", [["store", "home"], ["store"]])
def test_what_a_restored_backup_does_not_have_is_kept_by_everyone(folder: Path, restored: list[str]) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            first = await alice.save({"a.txt": b"1\n"})
            await eventually(lambda: bob.tip_of("alice") == first == carol.tip_of("alice"))
            await all_of.stop(alice)
            backup = await asyncio.to_thread(Backup, all_of, "alice")
            alice = await all_of.start("alice")
            lost = await alice.save({"a.txt": b"lost\n"})
            await eventually(lambda: bob.tip_of("alice") == lost == carol.tip_of("alice"))
            await all_of.stop(alice)

            await asyncio.to_thread(backup.restore, *restored)
            alice = await all_of.start("alice")
            since = await alice.save({"b.txt": b"since\n"})
            await eventually(lambda: all(side.tip_of("alice") == since for side in (bob, carol)))
            await eventually(lambda: all(is_kept(side, lost) for side in (alice, bob, carol)), "keeping")
            assert alice.store.ref(LIVE + "alice") == since and not alice.sync.doubled
            later = await alice.save({"b.txt": b"later\n"})
            await eventually(lambda: all(side.tip_of("alice") == later for side in (bob, carol)))

            await all_of.stop(bob)
            bob = await all_of.start("bob")
            assert is_kept(bob, lost) and bob.tip_of("alice") == later
            assert not any("alice" in str(said) for side in (alice, bob, carol) for said in side.sync.disputes())

    run(test())


def landed_by_alice(side: Side) -> str | None:
    """Return what is known here as alice's last landing."""
    return next((one.commit for one in side.sync.landed() if one.member == "alice"), None)


@pytest.mark.parametrize("has_landed_before", [False, True])
def test_a_restored_backup_goes_on_from_its_newest_landing(folder: Path, has_landed_before: bool) -> None:
    async def land(alice: Side, bob: Side, text: bytes) -> str:
        commit = await alice.save({"a.txt": text}, publish=False)
        await alice.sync.publish_landed("main", commit)
        await eventually(lambda: landed_by_alice(bob) == commit)
        return commit

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            if has_landed_before:
                await land(alice, bob, b"first\n")
            await all_of.stop(alice)
            backup = await asyncio.to_thread(Backup, all_of, "alice")
            alice = await all_of.start("alice")
            lost = await land(alice, bob, b"lost\n")
            await all_of.stop(alice)

            await asyncio.to_thread(backup.restore, "store", "home")
            alice = await all_of.start("alice")
            assert not await alice.owner.run(alice.store.objects.exists, lost)
            await eventually(lambda: landed_by_alice(alice) == lost, "hearing of the landing")
            assert await alice.owner.run(alice.store.objects.exists, lost)
            assert landed_by_alice(bob) == lost and not alice.sync.doubled
            await land(alice, bob, b"next\n")
            assert not alice.sync.disputes() and not bob.sync.disputes()

    run(test())


def test_a_restored_backup_tells_where_it_is_though_it_was_elsewhere_since(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await eventually(lambda: alice.sync.roster.addresses("bob"))  # alice calls bob, who cannot find alice
            await all_of.stop(alice)
            backup = await asyncio.to_thread(Backup, all_of, "alice")
            alice = await all_of.start("alice")
            await eventually(lambda: alice.is_connected("bob"))
            contact = alice.sync.roster.announce(alice.listener.identity, ("198.51.100.7:4700",), now_ms())
            alice.sync._exchange.spread([], [contact])
            alice.sync._conversations.do([])
            await eventually(lambda: bob.sync.roster.addresses("alice") == contact.addresses)
            await all_of.stop(alice)

            await asyncio.to_thread(backup.restore, "home")
            alice = await all_of.start("alice")
            await eventually(lambda: alice.is_connected("bob"))
            await eventually(lambda: bob.sync.roster.addresses("alice") == alice.listener.addresses())
            assert not alice.sync.doubled

    run(test())


def test_what_only_one_who_was_away_had_is_kept_when_they_are_back(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await alice.save({"a.txt": b"1\n"})
            await all_of.stop(carol)
            await all_of.stop(alice)
            backup = await asyncio.to_thread(Backup, all_of, "alice")
            alice = await all_of.start("alice")
            lost = await alice.save({"a.txt": b"lost\n"})
            await eventually(lambda: bob.tip_of("alice") == lost)
            await all_of.stop(alice)
            await all_of.stop(bob)

            await asyncio.to_thread(backup.restore, "store", "home")
            alice, carol = await all_of.start("alice"), await all_of.start("carol")
            for number in range(5):  # beyond the number that bob knows
                since = await alice.save({"b.txt": b"%d\n" % number})
            await eventually(lambda: carol.tip_of("alice") == since)
            bob = await all_of.start("bob")
            await eventually(lambda: bob.tip_of("alice") == since)
            await eventually(lambda: all(is_kept(side, lost) for side in (alice, bob, carol)), "keeping")

    run(test())


def test_of_two_machines_that_went_on_apart_everyone_keeps_both_tips(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            shared = await alice.save({"a.txt": b"both have it\n"})
            await eventually(lambda: bob.tip_of("alice") == shared == carol.tip_of("alice"))
            for side in (bob, carol):
                await all_of.stop(side)
            first, second = await copied_machine(all_of, folder, alice)
            await all_of.stop(second)
            bob = await all_of.start("bob")
            one = await first.save({"a.txt": b"one\n"})
            await eventually(lambda: bob.tip_of("alice") == one)
            for side in (first, bob):
                await all_of.stop(side)
            second = await Side.start(second.root, Path(second.home.root), "alice")
            all_of.running.append(second)
            carol = await all_of.start("carol")
            two = await second.save({"a.txt": b"two\n"})
            await eventually(lambda: carol.tip_of("alice") == two)
            await all_of.stop(second)

            bob = await all_of.start("bob")
            await eventually(lambda: is_kept(bob, two) and is_kept(carol, one), "keeping")
            assert (bob.tip_of("alice"), carol.tip_of("alice")) == (one, two)
            second = await Side.start(second.root, Path(second.home.root), "alice")
            all_of.running.append(second)
            await eventually(lambda: is_kept(second, one), "the second machine hearing of the first")
            await eventually(lambda: bob.tip_of("alice") == two == carol.tip_of("alice"))
            assert is_kept(bob, one) and is_kept(carol, one)

    run(test())


def test_a_tip_that_is_left_behind_is_kept_though_the_daemon_was_killed_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await alice.save({"a.txt": b"1\n"})
            await all_of.stop(alice)
            backup = await asyncio.to_thread(Backup, all_of, "alice")
            alice = await all_of.start("alice")
            lost = await alice.save({"a.txt": b"lost\n"})
            await eventually(lambda: bob.tip_of("alice") == lost)
            await all_of.stop(alice)
            await asyncio.to_thread(backup.restore, "store", "home")

            reached = asyncio.Event()

            async def killed(*_: Any) -> None:
                reached.set()
                await asyncio.Event().wait()

            with monkeypatch.context() as patch:
                patch.setattr("bough_daemon.sync.connections.Connections._is_left_behind", killed)
                patch.setattr("bough_daemon.sync.exchange.Exchange.keep_aside", lambda *_: [])
                alice = await all_of.start("alice")
                since = await alice.save({"b.txt": b"since\n"})
                await reached.wait()
                assert bob.store.ref(LIVE + "alice") != lost
                await all_of.stop(bob)
                await all_of.stop(alice)
            bob = await all_of.start("bob")
            alice = await all_of.start("alice")
            await eventually(lambda: bob.tip_of("alice") == since and is_kept(bob, lost))

    run(test())


def test_a_copy_of_a_repository_is_on_its_own(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            await all_of.stop(alice)
            await asyncio.to_thread(shutil.copytree, folder / "alice", folder / "copy", symlinks=True)
            copied = await Side.start(folder / "copy", folder / "home-alice", "alice")
            all_of.running.append(copied)
            assert copied.sync.team_id != alice.sync.team_id

    run(test())


async def no_branches() -> None:
    """Give live branches new names where there are none."""


async def copied_machine(all_of: Machines, folder: Path, alice: Side) -> tuple[Side, Side]:
    """Stop a member, copy the repository and the home to another machine, and start both."""
    await all_of.stop(alice)
    for name in ("alice", "home-alice"):
        await asyncio.to_thread(shutil.copytree, folder / name, folder / f"{name} 2", symlinks=True)
    roster = next((folder / "home-alice 2").glob("teams/*/roster.json"))
    # There it lies at the same path; here it cannot.
    roster.write_text(json.dumps(json.loads(roster.read_text()) | {"repository": str(folder / "alice 2/.git")}))
    both = [await Side.start(folder / f"alice{end}", folder / f"home-alice{end}", "alice") for end in ("", " 2")]
    all_of.running += both
    return both[0], both[1]


def test_two_machines_that_are_one_member_say_so_and_share_nothing(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            shared = await alice.save({"a.txt": b"both have it\n"})
            await eventually(lambda: bob.tip_of("alice") == shared)
            first, second = await copied_machine(all_of, folder, alice)
            assert first.sync.team_id == second.sync.team_id
            await eventually(lambda: first.sync.doubled and second.sync.doubled)
            assert "doubled" in {event.kind for event in first.events} & {event.kind for event in second.events}
            for number, side in enumerate((first, second, first)):
                await side.save({"a.txt": b"%d\n" % number})
            assert bob.tip_of("alice") == shared

            ticket = (await bob.sync.invite(LOOPBACK)).ticket
            team = first.sync.team_id
            seat = await Listeners(second.home).seat(second.store, team, "x", "alice", "alice+two", is_doubled=True)
            admission = seat.admission("alice+two")
            await second.sync.join(ticket, "alice+two", no_branches, seat.listener, admission)
            await eventually(lambda: not first.sync.doubled)
            tip = await first.save({"a.txt": b"first again\n"})
            await eventually(lambda: bob.tip_of("alice") == tip == second.tip_of("alice"))
            await seat.listener.stop()

    run(test())


def test_a_number_that_was_used_twice_tells_of_another_machine(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            tip = await alice.save({"a.txt": b"1\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)
            key = next(key for key in alice.sync._exchange.known if key.member == "alice")
            mine = alice.sync._exchange.known[key]
            other = replace(mine, tip="1" * 40, time=mine.time + 1).signed(alice.sync._identity)
            jobs = alice.sync._exchange.hear("bob", Announce(other), now_ms())
            assert jobs == [Behind(other), Signed("bob", other)]
            alice.sync._conversations.do(jobs)
            assert alice.sync.doubled
            forged = replace(other, signature=bytes(64))
            assert alice.sync._exchange.hear("bob", Announce(forged), now_ms()) == []

    run(test())


def test_a_repository_that_was_moved_stays_in_its_team(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            await all_of.stop(alice)
            (folder / "alice").rename(folder / "moved")
            moved = await Side.start(folder / "moved", folder / "home-alice", "alice")
            all_of.running.append(moved)
            assert moved.sync.team_id == alice.sync.team_id

    run(test())
