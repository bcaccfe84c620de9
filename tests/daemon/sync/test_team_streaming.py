"""Saves and landings stream, through others, too, and to those who were away, killed or stuck."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.errors import (
    BadTicket,
)
from bough_daemon.store.packs import make_pack, take_pack
from bough_daemon.store.store import LANDED
from bough_daemon.sync import dial, listener
from bough_daemon.sync.messages import Held, Want
from bough_daemon.team.branch_state import BranchKind, Key
from bough_daemon.team.team_files import Team

from tests.daemon.machines import LOOPBACK, machines, run
from tests.daemon.support import git
from tests.daemon.team_support import DEADLINE, Side, eventually


def test_saves_stream_both_ways(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            for number in range(3):
                for one, other in ((alice, bob), (bob, alice)):
                    tip = await one.save({"a.txt": b"%d by %s\n" % (number, one.name.encode())})
                    await eventually(lambda: other.tip_of(one.name) == tip)
                    await eventually(lambda: one.sync.holders(tip) == {other.name})
            store = Path(bob.store.path)
            assert git(store, "ls-tree", "-r", "alice") == git(Path(alice.store.path), "ls-tree", "-r", "alice")
            assert {event.kind for event in bob.events} >= {"connected", "tip", "held"}

    run(test())


def test_a_member_who_was_away_catches_up(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await alice.save({"a.txt": b"seen\n"})
            await all_of.stop(bob)
            await eventually(lambda: not alice.is_connected("bob"))
            for number in range(5):
                tip = await alice.save({"a.txt": b"missed %d\n" % number})
            assert alice.sync.holders(tip) == set()
            bob = await all_of.start("bob")
            await eventually(lambda: bob.tip_of("alice") == tip)
            await eventually(lambda: alice.sync.holders(tip) == {"bob"})

    run(test())


def test_a_tip_reaches_a_third_member_through_another(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await eventually(lambda: bob.is_connected("carol"))
            tip = await bob.save({"a.txt": b"bob was here\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)
            await all_of.stop(bob)
            await all_of.stop(carol)
            await asyncio.to_thread(lose_everything, carol)
            carol = await all_of.start("carol")
            await eventually(lambda: carol.tip_of("bob") == tip)
            assert not carol.is_connected("bob")

    run(test())


def lose_everything(side: Side) -> None:
    """Make a member forget what others have, as if they had just come."""
    os.unlink(Path(side.home.path("teams", side.sync.team_id)) / "states.json")
    git(Path(side.store.path), "update-ref", "-d", "refs/heads/bob")


def test_what_landed_streams_as_signed_state(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            commit = await alice.save({"a.txt": b"landed\n"}, publish=False)
            await alice.sync.publish_landed("main", commit)
            await eventually(lambda: bob.sync.landed())
            (landed,) = bob.sync.landed()
            assert (landed.branch, landed.commit, landed.member) == ("main", commit, "alice")
            assert set(bob.store.refs(LANDED).values()) == {commit}
            for branch in ("a", "a/b", os.fsdecode(b"f\xfcr/immer")):
                await alice.sync.publish_landed(branch, commit)
                await eventually(lambda: any(one.branch == branch for one in bob.sync.landed()))
            assert len(bob.store.refs(LANDED)) == 4
            assert [event.kind for event in bob.events if event.member == "alice"][-1] == "landed"

    run(test())


def test_a_pack_that_came_while_the_disk_was_full_is_asked_for_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.05)

            came = list[str]()

            async def full_at_first(*arguments: Any) -> None:
                came.append("a pack")
                if len(came) == 1:
                    raise OSError(28, "No space left on device")
                await take_pack(*arguments)

            monkeypatch.setattr("bough_daemon.sync.connections.take_pack", full_at_first)
            tip = await alice.save({"a.txt": b"x\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)

    run(test())


def test_a_pack_that_could_not_be_made_is_offered_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.05)
            tried = list[str]()

            async def full_at_first(*arguments: Any) -> Any:
                tried.append("a pack")
                if len(tried) <= 3:
                    raise OSError(28, "No space left on device")
                return await make_pack(*arguments)

            monkeypatch.setattr("bough_daemon.sync.connections.make_pack", full_at_first)
            tip = await alice.save({"a.txt": b"x\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)

    run(test())


class Process:
    """A member in a process of its own."""

    def __init__(self, root: Path, home: Path, name: str) -> None:
        command = [sys.executable, "-m", "tests.daemon.team_process", str(root), str(home), name]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[3],
        )
        assert self.line() == "ready"

    def line(self) -> str:
        """Return the next line that it says."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def ask(self, line: str) -> str:
        """Tell it to do something and return the answer."""
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.line()

    def kill(self) -> None:
        """End it without a warning."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.close()
        self.child.stdout.close()


def test_a_member_killed_in_the_middle_catches_up(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            git(folder, "clone", "-q", str(all_of.origin), "bob")
            bob = await asyncio.to_thread(Process, folder / "bob", folder / "home-bob", "bob")
            ticket = await asyncio.to_thread(bob.ask, "ticket")
            await alice.sync.join(ticket, "alice")
            await eventually(lambda: alice.is_connected("bob"))
            tip = await asyncio.to_thread(bob.ask, "save before")
            await eventually(lambda: alice.tip_of("bob") == tip)
            await alice.save({"big": os.urandom(20_000_000)})
            links = alice.sync._exchange.links
            await eventually(lambda: "bob" in links and any(part.offset for part in links["bob"].outgoing.values()))
            await asyncio.to_thread(bob.kill)
            await eventually(lambda: not alice.is_connected("bob"))
            newest = await alice.save({"a.txt": b"while bob was dead\n"})
            bob = await asyncio.to_thread(Process, folder / "bob", folder / "home-bob", "bob")
            assert await asyncio.to_thread(bob.ask, "knows alice") == newest
            tip = await asyncio.to_thread(bob.ask, "save after")
            await eventually(lambda: alice.tip_of("bob") == tip)
            await asyncio.to_thread(bob.kill)

    run(test())


def test_a_member_whose_machine_hangs_is_soon_shown_as_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"grpc.keepalive_time_ms": 1000, "grpc.keepalive_timeout_ms": 500, "grpc.http2.ping_timeout_ms": 500}
    for module, name in ((listener, "SERVER_OPTIONS"), (dial, "COMMON_OPTIONS")):
        options = getattr(module, name)
        assert quick.keys() <= dict(options).keys()
        monkeypatch.setattr(module, name, [(key, quick.get(key, value)) for key, value in options])

    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            git(folder, "clone", "-q", str(all_of.origin), "bob")
            bob = await asyncio.to_thread(Process, folder / "bob", folder / "home-bob", "bob")
            await alice.sync.join(await asyncio.to_thread(bob.ask, "ticket"), "alice")
            await eventually(lambda: alice.is_connected("bob"))
            bob.child.send_signal(signal.SIGSTOP)
            try:
                await eventually(lambda: not alice.is_connected("bob"), "the end of the presence")
            finally:
                bob.child.send_signal(signal.SIGCONT)
            await eventually(lambda: alice.is_connected("bob"))
            await asyncio.to_thread(bob.kill)

    run(test())


def test_a_ticket_spent_before_a_kill_stays_spent(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            carol, dave = await all_of.start("carol"), await all_of.start("dave")
            git(folder, "clone", "-q", str(all_of.origin), "bob")
            bob = await asyncio.to_thread(Process, folder / "bob", folder / "home-bob", "bob")
            spent, unspent = [await asyncio.to_thread(bob.ask, "ticket") for _ in range(2)]
            await carol.sync.join(spent, "carol")
            await asyncio.to_thread(bob.kill)
            bob = await asyncio.to_thread(Process, folder / "bob", folder / "home-bob", "bob")
            with pytest.raises(BadTicket, match="already used"):
                await dave.sync.join(spent, "dave")
            await dave.sync.join(unspent, "dave")
            await asyncio.to_thread(bob.kill)

    run(test())


def test_a_dead_address_does_not_keep_a_live_one_from_being_called(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await all_of.stop(bob)
            team = Team.load(alice.home.path("teams", alice.sync.team_id))
            assert team.roster.addresses("bob")[0].startswith(LOOPBACK)
            bob = await all_of.start("bob")
            await eventually(lambda: alice.is_connected("bob"))

    run(test())


def test_one_who_is_nudged_to_call_again_while_it_stops_does_stop(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await all_of.stop(bob)
            await eventually(lambda: not alice.is_connected("bob"))
            nudged = alice.sync._conversations.calls._nudges["bob"]
            await eventually(lambda: bool(nudged._waiters))
            alice.sync._conversations.calls.at_once()
            async with asyncio.timeout(DEADLINE):
                await all_of.stop(alice)

    run(test())


def test_grpc_is_not_asked_to_use_a_proxy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def test() -> None:
        async with machines(folder) as all_of:
            await all_of.team("alice", "bob")

    run(test())


def test_a_teammate_with_another_version_is_told_on_both_sides_until_they_can_talk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            with monkeypatch.context() as patch:
                patch.setattr(listener, "VERSION", 2)
                await bob.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "bob")
                await eventually(lambda: alice.sync.reach.other_versions() == ["bob"], "telling alice")
                await eventually(lambda: bob.sync.reach.other_versions() == ["alice"], "telling bob")
                assert not alice.is_connected("bob")
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))
            assert alice.sync.reach.other_versions() == bob.sync.reach.other_versions() == []

    run(test())


def test_short_words_share_a_message_and_long_ones_end_it(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            talks, link = alice.sync._conversations, alice.sync._exchange.links["bob"]
            keys = [Key("bob", BranchKind.LANDED, b"b%d" % number) for number in range(100)]

            def told(most: int) -> list[int]:
                while talks._next_words("bob", most):
                    pass  # what is said at the beginning
                for number, key in enumerate(keys):
                    link.answer(Held(key, number))
                link.wants[keys[50]] = Want(keys[50], 1)
                sizes = list[int]()
                while said := talks._next_words("bob", most):
                    sizes.append(len(said))
                return sizes

            assert told(0) == [1] * 101, "to a peer who does not bundle"
            assert told(63) == [64, 37], "the answers, and the question after them"
            link.wants |= {key: Want(key, 1) for key in keys[:2]}
            assert [len(talks._next_words("bob", 63)) for _ in range(2)] == [1, 1]

    run(test())
