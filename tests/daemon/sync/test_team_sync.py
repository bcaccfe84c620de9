"""Teammates on real sockets: joining, streaming, catching up, and who is turned away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.errors import (
    BadTicket,
    BoughError,
    NameTaken,
    NotPossibleNow,
    PeerRefused,
    PeerUnreachable,
    PortTaken,
    UnrelatedHistory,
)
from bough_daemon.git.objects import TreeEntry, format_tree
from bough_daemon.store.packs import Limits, make_pack, take_pack
from bough_daemon.store.store import LANDED, LIVE, SHARED
from bough_daemon.sync import dial, listener
from bough_daemon.sync.clones import Listeners
from bough_daemon.sync.dial import call_member, present_ticket
from bough_daemon.sync.jobs import Behind, Signed
from bough_daemon.sync.messages import Announce, Chunk, Message, Refused, Want
from bough_daemon.system.durable import write_whole
from bough_daemon.team import team_files as team_module
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.identity import load_identity
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import VALID_MS, Ticket
from bough_proto.v1 import peer_pb2 as pb

from tests.daemon.support import git, make_repository
from tests.daemon.team_support import DEADLINE, Side, eventually

LOOPBACK = "127.0.0.1"
FILES = {"a.txt": b"one\n" * 30, "dir/b.txt": b"two\n"}


class Machines:
    """The machines of one test; all of them are stopped at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = make_repository(folder / "origin", FILES)
        self.running: list[Side] = []

    async def start(self, name: str, limits: Limits | None = None) -> Side:
        """Start a member's daemon in a clone of its own, the same one as before if there is one."""
        root = self.folder / name
        if not root.exists():
            git(self.folder, "clone", "-q", str(self.origin), str(root))
        side = await Side.start(root, self.folder / f"home-{name}", name, limits)
        self.running.append(side)
        return side

    async def stop(self, side: Side) -> None:
        """Stop a member's daemon."""
        self.running.remove(side)
        await side.stop()

    async def team(self, *names: str, limits: Limits | None = None) -> list[Side]:
        """Start members and let all of them into the team of the first."""
        first, *others = [await self.start(name, limits) for name in names]
        for side in others:
            await side.sync.join((await first.sync.invite(LOOPBACK)).ticket, side.name)
        for side in others:
            await eventually(lambda: first.is_connected(side.name) and side.is_connected(first.name))
        return [first, *others]


@contextlib.asynccontextmanager
async def machines(folder: Path) -> AsyncIterator[Machines]:
    """Yield the machines of one test."""
    made = Machines(folder)
    try:
        yield made
    finally:
        for side in list(made.running):
            await made.stop(side)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, within a deadline."""
    asyncio.run(asyncio.wait_for(test, 2.5 * DEADLINE))


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


def test_a_solo_member_is_a_team_that_lasts(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            team, tip = alice.sync.team_id, await alice.save({"a.txt": b"x\n"})
            assert alice.sync.teammates() == [] and alice.sync.holders(tip) == set()
            await all_of.stop(alice)
            alice = await all_of.start("alice")
            assert (alice.sync.team_id, alice.sync.member) == (team, "alice")

    run(test())


def test_before_the_first_invite_only_this_machine_can_knock(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            assert all(address.startswith(LOOPBACK) for address in alice.listener.addresses())
            invite = await alice.sync.invite()
            assert invite.opened and all(line.startswith("[::]:") for line in invite.opened)
            assert len(Ticket.parse(invite.ticket).addresses) == len(alice.listener.join_addresses())
            again = await alice.sync.invite()
            assert again.opened == [] and again.ticket != invite.ticket

    run(test())


def test_a_port_that_is_taken_is_an_error(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            with socket.socket() as taken:
                taken.bind((LOOPBACK, 0))
                taken.listen()
                with pytest.raises(PortTaken):
                    await alice.sync.invite(f"{LOOPBACK}:{taken.getsockname()[1]}")
            assert (await alice.sync.invite(LOOPBACK)).ticket

    run(test())


def test_a_ticket_lets_one_in_and_no_other(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            carol, dave = await all_of.start("carol"), await all_of.start("dave")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            await alice.sync.invite()  # another one is out, so that somebody listens
            await carol.sync.join(ticket, "carol")
            with pytest.raises(BadTicket, match="used already"):
                await dave.sync.join(ticket, "dave")
            assert set(alice.sync.roster.members) == {"alice", "bob", "carol"}
            assert set(dave.sync.roster.members) == {"dave"}

    run(test())


def test_of_two_who_come_at_once_with_one_ticket_exactly_one_is_let_in(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            comers = [await all_of.start(name) for name in ("bob", "carol", "dave")]
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            joins = (side.sync.join(ticket, side.name) for side in comers)
            came = await asyncio.gather(*joins, return_exceptions=True)
            assert [type(one) for one in came if one is not None] == [BadTicket, BadTicket]
            assert len(alice.sync.roster.members) == 2
            # What is written down says the same.
            kept = Team.load(alice.home.path("teams", alice.sync.team_id))
            assert kept.roster.members == alice.sync.roster.members
            assert [invite.spent_by is None for invite in kept.invites.known] == [False]

    run(test())


def test_spending_a_ticket_and_letting_in_are_one_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket

            def full(path: str, data: bytes) -> None:
                raise OSError(28, "No space left on device")

            with monkeypatch.context() as patch, pytest.raises(BoughError):
                patch.setattr(team_module, "write_whole", full)
                await bob.sync.join(ticket, "bob")
            assert set(alice.sync.roster.members) == {"alice"}
            await bob.sync.join(ticket, "bob")
            assert set(alice.sync.roster.members) == {"alice", "bob"}

    run(test())


def test_an_answer_that_was_lost_is_given_again_to_the_same_one(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            me = load_identity(bob.home)
            request = pb.JoinRequest(team=ticket.team, secret=ticket.secret, name="bob", key=me.key)
            request.certificate, request.vouch = me.certificate, me.vouch
            request.commits.append(git(bob.root, "rev-parse", "HEAD"))
            await present_ticket(ticket, request)
            await bob.sync.join(str(ticket), "bob")
            await eventually(lambda: alice.is_connected("bob"))

    run(test())


def test_an_expired_ticket_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            later = now_ms() + VALID_MS
            monkeypatch.setattr("bough_daemon.sync.team_sync.now_ms", lambda: later)
            await alice.sync.invite()  # another one is out, so that somebody listens
            with pytest.raises(BadTicket, match="expired"):
                await bob.sync.join(ticket, "bob")
            assert set(bob.sync.roster.members) == {"bob"}

    run(test())


def test_a_name_that_the_team_has_is_refused_and_the_ticket_stays_good(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            with pytest.raises(NameTaken, match="alice already"):
                await bob.sync.join(ticket, "alice")
            await bob.sync.join(ticket, "bob")
            with pytest.raises(NotPossibleNow):
                await bob.sync.join((await alice.sync.invite()).ticket, "bob")

    run(test())


def test_a_clone_with_unrelated_history_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            make_repository(folder / "stranger", {"other": b"x\n"})
            stranger = await all_of.start("stranger")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            with pytest.raises(UnrelatedHistory):
                await stranger.sync.join(ticket, "stranger")
            assert set(alice.sync.roster.members) == {"alice"}
            bob = await all_of.start("bob")
            await bob.sync.join(ticket, "bob")

    run(test())


@pytest.mark.parametrize("shallow_one", ["alice", "bob"])
def test_a_shallow_clone_is_known_by_any_commit_that_both_have(folder: Path, shallow_one: str) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            for number in range(40):
                git(all_of.origin, "commit", "-q", "--allow-empty", "-m", f"{number}")
            git(folder, "clone", "-q", "--depth=1", f"file://{all_of.origin}", str(folder / shallow_one))
            git(all_of.origin, "commit", "-q", "--allow-empty", "-m", "newer")
            alice, bob = await all_of.team("alice", "bob")
            # What is older than the border must be shared by then: the shallow one cannot send it.
            for one, other in ((alice, bob), (bob, alice)) if shallow_one == "bob" else ((bob, alice), (alice, bob)):
                tip = await one.save({"a.txt": one.name.encode()})
                await eventually(lambda: other.tip_of(one.name) == tip)

    run(test())


def test_what_a_shallow_clone_could_not_send_is_taken_once_it_is_shared(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            git(all_of.origin, "commit", "-q", "--allow-empty", "-m", "older")
            git(folder, "clone", "-q", "--depth=1", f"file://{all_of.origin}", str(folder / "bob"))
            git(folder, "clone", "-q", str(all_of.origin), str(folder / "alice"))
            git(folder / "alice", "reset", "-q", "--hard", "HEAD~1")
            alice, bob = await all_of.team("alice", "bob")
            tip = await bob.save({"a.txt": b"x\n"})
            await eventually(lambda: "missing" in alice.sync.teammates()[0].not_taken)
            assert alice.tip_of("bob") is None
            git(alice.root, "merge", "-q", "--ff-only", "origin/main")
            await alice.save({"b.txt": b"y\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)
            assert alice.sync.teammates()[0].not_taken == ""

    run(test())


def test_nobody_but_the_maker_of_the_ticket_gets_the_secret(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, eve = [await all_of.start(name) for name in ("alice", "bob", "eve")]
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            await eve.sync.invite(LOOPBACK)
            diverted = Ticket(ticket.team, ticket.fingerprint, ticket.secret, eve.listener.join_addresses())
            with pytest.raises(PeerRefused, match="someone else answers"):
                await bob.sync.join(str(diverted), "bob")
            closed = Ticket(ticket.team, ticket.fingerprint, ticket.secret, ("127.0.0.1:9",))
            with pytest.raises(PeerUnreachable):
                await bob.sync.join(str(closed), "bob")
            several = Ticket(ticket.team, ticket.fingerprint, ticket.secret, ("127.0.0.1:9", *ticket.addresses))
            await bob.sync.join(str(several), "bob")

    run(test())


def test_an_unknown_certificate_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            eve = await all_of.start("eve")
            mine = alice.listener.identity.certificate
            with pytest.raises(BoughError):
                async with call_member(alice.listener.addresses()[0], alice.sync.team_id, mine, eve.listener.identity):
                    pytest.fail("eve was let in")
            assert not alice.is_connected("eve") and alice.is_connected("bob")

    run(test())


def test_callers_who_say_nothing_or_nonsense_keep_nobody_else_waiting(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            doors = [alice.listener.addresses()[0], alice.listener.join_addresses()[0]]
            with contextlib.ExitStack() as held:
                for number in range(200):
                    host, _, port = doors[number % 2].rpartition(":")
                    idle = held.enter_context(socket.create_connection((host, int(port))))
                    idle.sendall([b"", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n", os.urandom(100)][number // 2 % 4])
                tip = await alice.save({"a.txt": b"meanwhile\n"})
                await eventually(lambda: bob.tip_of("alice") == tip)
                carol = await all_of.start("carol")
                await carol.sync.join(ticket, "carol")
                await eventually(lambda: carol.tip_of("alice") == tip)

    run(test())


def test_a_member_of_another_team_of_the_same_daemon_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            mine = alice.listener.identity.certificate
            # The handshake lets eve in, as she is known in another team of the daemon's; the handler does not.
            eve = load_identity((await all_of.start("eve")).home)
            alice.listener._roots += eve.certificate_pem
            with pytest.raises(PeerRefused, match="no member of the team"):
                async with call_member(alice.listener.addresses()[0], alice.sync.team_id, mine, eve):
                    pytest.fail("eve was let in")
            with pytest.raises(PeerRefused, match="no member of the team"):
                async with call_member(alice.listener.addresses()[0], "00" * 16, mine, bob.listener.identity):
                    pytest.fail("bob was let in elsewhere")

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


class Intruder:
    """A member who says to alice whatever it likes."""

    def __init__(self, alice: Side, bob: Side) -> None:
        self.alice = alice
        self.bob = bob
        self.identity = bob.listener.identity

    async def tell(self, *words: Message, expect: str) -> None:
        """Say words as bob, the last one again when asked; wait for a refusal that has `expect` in it."""
        alice = self.alice
        mine = alice.listener.identity.certificate
        address = alice.listener.addresses()[0]
        async with call_member(address, alice.sync.team_id, mine, self.identity) as pipe:
            for word in words:
                await pipe.write(word)
            while True:
                answer = await pipe.read()
                assert answer is not None, "alice ended the talk"
                if isinstance(answer, Want) and len(words) == 1:
                    await pipe.write(words[0])
                if isinstance(answer, Refused):
                    assert expect in answer.reason
                    return

    def state(self, tip: str, sequence: int = 1, key: Key | None = None, team: str | None = None) -> State:
        """Return a state that bob has signed."""
        key = key or Key("bob", BranchKind.LIVE, b"bob")
        return State(team or self.alice.sync.team_id, key, sequence, tip, tip, now_ms()).signed(self.identity)

    async def pack(self, tip: str, haves: list[str]) -> bytes:
        """Return a pack that bob's git makes."""
        lines = [tip, *(f"^{have}" for have in haves)]
        arguments = ("pack-objects", "--revs", "--thin", "--stdout", "-q")
        return self.bob.store.git.run(*arguments, stdin="\n".join(lines).encode() + b"\n")


@contextlib.asynccontextmanager
async def intruder(folder: Path, limits: Limits | None = None) -> AsyncIterator[Intruder]:
    """Yield bob, who is in alice's team and whose daemon is down, so that the test can speak for him."""
    async with machines(folder) as all_of:
        alice, bob = await all_of.team("alice", "bob", limits=limits)
        await bob.talking.aclose()
        await eventually(lambda: not alice.is_connected("bob"))
        made = Intruder(alice, bob)
        before = (alice.store.refs("refs/heads/"), await alice.save({"a.txt": b"mine\n"}))
        yield made
        # Whatever was said: nothing moved, and alice talks on.
        assert alice.store.refs("refs/heads/") == before[0] | {"alice": before[1]}
        bob_again = await Side.restart(bob)
        all_of.running[all_of.running.index(bob)] = bob_again
        tip = await bob_again.save({"b.txt": b"and on it goes\n"})
        await eventually(lambda: alice.tip_of("bob") == tip)


def test_a_pack_with_a_git_hook_in_it_is_refused_and_the_talk_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            objects, head = bob.bob.store.objects, git(bob.bob.root, "rev-parse", "HEAD")
            blob = TreeEntry(0o100755, objects.write_blob(b"#!/bin/sh\n"))
            hooks = objects.write("tree", format_tree({"x": blob}))
            dot_git = objects.write("tree", format_tree({"hooks": TreeEntry(0o40000, hooks)}))
            tree = objects.write("tree", format_tree({".git": TreeEntry(0o40000, dot_git)}))
            tip = objects.write_commit(tree, [head], "Bob <b@b>", 1, "x\n")
            pack = await bob.pack(tip, [head])
            # Unasked first, which alice answers by asking properly.
            state = bob.state(tip)
            chunk = Chunk(state, "p", 0, len(pack), pack)
            await bob.tell(chunk, expect="hasDotgit")

    run(test())


def test_a_pack_that_lacks_objects_is_refused_and_the_talk_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            first = await bob.bob.owner.run(bob.bob._save, {"x": b"1"})
            tip = await bob.bob.owner.run(bob.bob._save, {"y": b"2"})
            pack = await bob.pack(tip, [first])
            chunk = Chunk(bob.state(tip), "p", 0, len(pack), pack)
            await bob.tell(chunk, expect="refused")

    run(test())


def test_a_pack_that_is_too_large_is_refused_and_the_talk_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder, Limits(pack=100_000, chunk=10_000, inline=1_000)) as bob:
            tip = await bob.bob.owner.run(bob.bob._save, {"x": b"1"})
            state = bob.state(tip)
            await bob.tell(Announce(state), Chunk(state, "p", 0, 100_001, b"x"), expect="too large")

    run(test())


def test_a_stream_that_breaks_off_keeps_nothing(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            alice = bob.alice
            tip = await bob.bob.owner.run(bob.bob._save, {"x": os.urandom(5000)})
            pack = await bob.pack(tip, [])
            mine, address = alice.listener.identity.certificate, alice.listener.addresses()[0]
            async with call_member(address, alice.sync.team_id, mine, bob.identity) as pipe:
                await pipe.write(Chunk(bob.state(tip), "p", 0, len(pack), pack[:2000]))
                links = alice.sync._exchange.links
                await eventually(lambda: "bob" in links and links["bob"].incoming)
            await eventually(lambda: not alice.is_connected("bob"))
            assert not alice.store.objects.exists(tip)

    run(test())


def test_forged_replayed_and_foreign_states_are_refused_and_the_talk_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            head = git(bob.bob.root, "rev-parse", "HEAD")
            for_alice = bob.state(head, 99, Key("alice", BranchKind.LIVE, b"alice"))
            await bob.tell(Announce(for_alice), expect="not signed by alice")
            own_key = bob.state(head, 99, Key("bob", BranchKind.LIVE, b"alice"))
            await bob.tell(Announce(own_key), expect="may not speak")
            await bob.tell(Announce(bob.state(head, team="ff" * 16)), expect="another team")

    run(test())


def test_a_branch_that_is_mine_is_moved_by_nobody_whatever_the_roster_says(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            # Alice has a further worktree of this name, which she has not told anyone of yet.
            head = git(alice.root, "rev-parse", "HEAD")
            await alice.owner.run(alice.store.set_ref, LIVE + "alice+docs", head, None)
            await alice.owner.run(alice.store.set_ref, SHARED + "alice+docs", head, None)
            docs = await all_of.start("docs")
            await docs.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "alice+docs")
            await eventually(lambda: alice.is_connected("alice+docs"))
            await docs.save({"a.txt": b"not yours\n"})
            refused = docs.sync._exchange.links["alice"].declined
            await eventually(lambda: refused)
            assert alice.store.ref(LIVE + "alice+docs") == head

    run(test())


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
            assert not any("alice" in said for side in (alice, bob, carol) for said in side.sync.disputes())

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
                patch.setattr("bough_daemon.sync.connections.Connections._keep_what_is_left", killed)
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


def test_a_joiner_whose_solo_name_the_team_has_gets_a_new_one_before_anyone_talks(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            tip = await alice.save({"a.txt": b"of the first alice\n"})
            git(folder, "clone", "-q", str(all_of.origin), "bob")
            other = await Side.start(folder / "bob", folder / "home-bob", "alice")
            all_of.running.append(other)
            mine = await other.save({"a.txt": b"of the second\n"})
            names = list[str]()

            async def rename() -> None:
                names.append(other.sync.member)

            await other.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "bob", rename)
            assert names == ["bob"]
            await eventually(lambda: other.tip_of("alice") == tip)
            assert other.store.ref(f"refs/kept/alice/{mine}") == mine

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
            with pytest.raises(BadTicket, match="used already"):
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
            nudged = alice.sync._conversations._callers["bob"]
            await eventually(lambda: bool(nudged._waiters))
            alice.sync._conversations.call_everyone()
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
                await eventually(lambda: alice.sync.other_versions() == ["bob"], "telling alice")
                await eventually(lambda: bob.sync.other_versions() == ["alice"], "telling bob")
                assert not alice.is_connected("bob")
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))
            assert alice.sync.other_versions() == bob.sync.other_versions() == []

    run(test())
