"""Who is turned away, what is refused of a member, and that the conversation goes on."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from bough_daemon.errors import (
    BoughError,
    PeerRefused,
)
from bough_daemon.git.objects import TreeEntry, format_tree
from bough_daemon.store.packs import Limits
from bough_daemon.store.store import LIVE, SHARED
from bough_daemon.sync.dial import _CallingPipe, _channel, call_member
from bough_daemon.sync.messages import Announce, Chunk, Hello, Message, Refused, Want
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.identity import load_identity
from bough_daemon.team.team_files import now_ms
from bough_proto.v1 import peer_pb2 as pb
from bough_proto.v1 import peer_pb2_grpc as services

from tests.daemon.machines import LOOPBACK, machines, run
from tests.daemon.support import git
from tests.daemon.team_support import Side, eventually


def test_an_unknown_certificate_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            eve = await all_of.start("eve")
            mine = alice.listener.identity.certificate
            with pytest.raises(BoughError):
                async with call_member(
                    alice.listener.addresses()[0], Hello(alice.sync.team_id), mine, eve.listener.identity
                ):
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
                async with call_member(alice.listener.addresses()[0], Hello(alice.sync.team_id), mine, eve):
                    pytest.fail("eve was let in")
            with pytest.raises(PeerRefused, match="no member of the team"):
                async with call_member(alice.listener.addresses()[0], Hello("00" * 16), mine, bob.listener.identity):
                    pytest.fail("bob was let in elsewhere")

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
        async with call_member(address, Hello(alice.sync.team_id), mine, self.identity) as pipe:
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
            async with call_member(address, Hello(alice.sync.team_id), mine, bob.identity) as pipe:
                await pipe.write(Chunk(bob.state(tip), "p", 0, len(pack), pack[:2000]))
                links = alice.sync._exchange.links
                await eventually(lambda: "bob" in links and links["bob"].incoming)
            await eventually(lambda: not alice.is_connected("bob"))
            assert not alice.store.objects.exists(tip)

    run(test())


def test_packs_come_beside_a_conversation_of_the_same_caller_alone(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await bob.talking.aclose()
            await carol.talking.aclose()
            await eventually(lambda: not alice.is_connected("bob") and not alice.is_connected("carol"))
            mine, address = alice.listener.identity.certificate, alice.listener.addresses()[0]
            said = Hello(alice.sync.team_id, carried_apart=7)
            async with call_member(address, said, mine, bob.listener.identity) as talk:
                assert talk.hello.carried_apart == 7
                for one, number in ((bob, 8), (carol, 7)):
                    async with _channel(address, mine, one.listener.identity) as channel:
                        packs = _CallingPipe(services.PeerServiceStub(channel), said, "", pb.CarryRequest)
                        await packs.write(replace(said, carried_apart=number))
                        with pytest.raises(grpc.aio.AioRpcError, match="no conversation"):
                            await packs.read()

    run(test())


def test_nothing_but_packs_is_heard_on_the_stream_for_packs(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            mine, address = bob.alice.listener.identity.certificate, bob.alice.listener.addresses()[0]
            async with call_member(address, Hello(bob.alice.sync.team_id, carried_apart=7), mine, bob.identity) as pipe:
                packs = await pipe.beside()
                head = git(bob.bob.root, "rev-parse", "HEAD")
                await packs.write(Announce(bob.state(head)))
                await eventually(lambda: "something other than packs" in str(bob.alice.sync._conversations.refused()))

    run(test())


def test_forged_replayed_and_foreign_states_are_refused_and_the_talk_goes_on(folder: Path) -> None:
    async def test() -> None:
        async with intruder(folder) as bob:
            head = git(bob.bob.root, "rev-parse", "HEAD")
            for_alice = bob.state(head, 99, Key("alice", BranchKind.LIVE, b"alice"))
            await bob.tell(Announce(for_alice), expect="not signed by alice")
            own_key = bob.state(head, 99, Key("bob", BranchKind.LIVE, b"alice"))
            await bob.tell(Announce(own_key), expect="may not publish")
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
