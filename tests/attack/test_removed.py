"""One who was removed gets nothing, says nothing that counts, and is told why; whatever they try."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from bough_daemon.errors import BadTicket, NameTaken, NotPossibleNow, PeerUnreachable
from bough_daemon.sync.messages import Announce, Gossip, Held, Hello, Message, Want
from bough_daemon.team.branch_state import BranchKind, Key

from tests.attack.mallory import LOOPBACK, Conversation, Mallory, invited_by
from tests.attack.test_roster import new_identity, team_of_four
from tests.daemon.machines import Machines, machines, run
from tests.daemon.support import git
from tests.daemon.team_support import Side, eventually

HONEST = {"alice", "bob", "carol"}


def members(side: Side) -> set[str]:
    return set(side.sync.roster.members)


async def all_agree(sides: Iterable[Side], names: set[str]) -> None:
    for side in sides:
        await eventually(lambda: members(side) == names, f"{side.name} knowing the same members")


async def turned_away(mallory: Mallory, side: Side, *said: Message) -> list[Message]:
    """Call a member who turns mallory away, say this all the same, and return what was heard until the end."""
    address, certificate = side.listener.addresses()[0], side.listener.identity.certificate
    async with mallory.calls_at(address, certificate) as talk:
        try:
            await talk.say(*said)
        except asyncio.InvalidStateError:
            pass  # they hung up already
        assert "removed from the team by" in await talk.ends()
        return talk.heard


async def passed_on(talk: Conversation, *words: Message) -> None:
    """Say words, and wait until they were taken in: by the answer to the state that follows."""
    head = git(talk.mallory.root, "rev-parse", "HEAD")
    await talk.say(*words)
    assert isinstance(await talk.offer(talk.mallory.state(head), await talk.mallory.pack([head])), Held)


async def hears_of_everyone(mallory: Mallory) -> None:
    async with mallory.calls("alice"):
        await eventually(lambda: mallory.roster.members.keys() >= HONEST)


def carol_of(all_of: Machines) -> Side:
    return next(side for side in all_of.running if side.name == "carol")


def test_nothing_reaches_one_who_was_removed_and_nothing_of_theirs_is_taken(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            head = git(mallory.root, "rev-parse", "HEAD")
            mine = mallory.commit({"m.txt": b"work\n"}, head)
            old = mallory.state(mine, head)
            async with mallory.calls("alice") as talk:
                assert isinstance(await talk.offer(old, await mallory.pack([mine])), Held)
                await eventually(lambda: bob.tip_of("mallory") == mine)
                since = len(talk.heard)
                assert bob.sync.remove("mallory") == ["mallory"]
                assert "mallory was removed from the team by bob" in await talk.ends()
                said = [word for word in talk.heard[since:] if not isinstance(word, Held)]
                (gossip,) = said
                assert isinstance(gossip, Gossip) and gossip.removals, said
            await all_agree(all_of.running, HONEST)
            assert not any(side.tip_of("mallory") for side in all_of.running)
            tip = await alice.save({"a.txt": b"after\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)
            key = Key("alice", BranchKind.LIVE, b"alice")
            state = mallory.state(mallory.commit({"n.txt": b"more\n"}, mine), head)
            words = (Announce(old), Announce(state), Want(key, 1), Gossip((), (mallory.contact("10.0.0.1:1"),)))
            for side in all_of.running:
                heard = await turned_away(mallory, side, *words)
                assert [type(word) for word in heard] == [Hello, Gossip]
                answer = heard[1]
                assert isinstance(answer, Gossip) and not answer.contacts
                assert {one.name for one in answer.admissions} <= {"alice", "bob"}
                assert side.tip_of("mallory") is None and members(side) == HONEST
            # Nor do others pass it on.
            dave = await all_of.start("dave")
            await dave.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "dave")
            await eventually(lambda: dave.tip_of("alice") == tip)
            assert dave.tip_of("mallory") is None and "mallory" not in members(dave)

    run(test())


def test_who_was_removed_lets_nobody_in_however_it_is_dated_and_removes_nobody(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            friend = await invited_by(bob, folder, "friend")
            before = HONEST | {"friend"}
            await all_agree(all_of.running, before | {"mallory"})
            await hears_of_everyone(mallory)
            attack = [mallory.removal(name, *HONEST, "mallory") for name in sorted(HONEST)]
            alice.sync.remove("mallory")
            await all_agree(all_of.running, before)
            fake = new_identity(folder, "fake")
            made_up = (mallory.admission(fake, "fake", time=1), mallory.admission(fake, "mallory", time=2**62))
            for side in all_of.running:
                await turned_away(mallory, side, Gossip(made_up, (), tuple(attack)))
            async with friend.calls("bob") as talk:
                await passed_on(talk, Gossip(made_up, (), tuple(attack)))
            tip = await bob.save({"b.txt": b"still here\n"})
            for side in all_of.running:
                if side is not bob:
                    await eventually(lambda: side.tip_of("bob") == tip)
                assert members(side) == before

    run(test())


def test_neither_the_name_nor_the_key_comes_in_again_nor_does_their_ticket_let_in(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            old, of_bob = (await alice.sync.invite(LOOPBACK)).ticket, (await bob.sync.invite(LOOPBACK)).ticket
            alice.sync.remove("bob")
            await eventually(lambda: bob.sync.why_out() == "alice removed you from the team")
            assert bob.sync.teammates() == []
            with pytest.raises(NotPossibleNow, match="key cannot join again"):
                await bob.sync.join(old, "robert")
            carol = await all_of.start("carol")
            with pytest.raises(NameTaken, match="had a member named bob"):
                await carol.sync.join(old, "bob")
            with pytest.raises((NotPossibleNow, PeerUnreachable, BadTicket)):
                await carol.sync.join(of_bob, "carol")
            await carol.sync.join(old, "carol")
            await all_agree([alice, carol], {"alice", "carol"})

    run(test())


def test_the_founder_comes_back_by_removing_who_removed_everybody(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            await hears_of_everyone(mallory)
            attack = [mallory.removal(name, *HONEST, "mallory") for name in sorted(HONEST)]
            async with mallory.calls("bob") as talk:
                await talk.say(Gossip((), (), tuple(attack)))
                await talk.ends()
            await eventually(lambda: all(side.sync.why_out() for side in all_of.running))
            assert alice.sync.why_out() == "mallory removed you from the team"
            with pytest.raises(NotPossibleNow, match="no longer in the team"):
                bob.sync.remove("mallory")
            await all_of.stop(bob)
            bob = await all_of.start("bob")  # what is written down says the same
            assert bob.sync.why_out() and bob.sync.member == "bob"
            tip = await bob.save({"b.txt": b"meanwhile\n"})
            alice.sync.remove("mallory", restore=True)
            await all_agree(all_of.running, HONEST)
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("carol"))
            await bob.sync.publish("bob", tip, git(bob.root, "rev-parse", "HEAD"))
            await eventually(lambda: carol_of(all_of).tip_of("bob") == tip)

    run(test())


def test_who_was_away_when_removed_hears_of_it_from_whom_they_call(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            tip = await bob.save({"b.txt": b"1\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)
            await all_of.stop(bob)
            carol.sync.remove("bob")
            await all_agree([alice, carol], {"alice", "carol"})
            bob = await all_of.start("bob")
            await eventually(lambda: bob.sync.why_out() == "carol removed you from the team")
            assert not any(side.is_connected("bob") for side in (alice, carol))
            assert (await bob.sync.invite(LOOPBACK)).ticket  # a team of their own
            assert not bob.sync.why_out() and members(bob) == {"bob"}

    run(test())


def test_who_leaves_is_out_everywhere_and_goes_on_alone(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await all_agree(all_of.running, HONEST)
            await all_of.stop(carol)
            await eventually(lambda: not bob.is_connected("carol"))
            assert await bob.sync.leave() == ["alice"]
            assert bob.sync.why_out() == "you left the team"
            carol = await all_of.start("carol")
            await all_agree([alice, carol], {"alice", "carol"})
            await bob.save({"b.txt": b"alone\n"})
            assert [event.kind for event in alice.events].count("left") == 1
            with pytest.raises(NotPossibleNow, match="no longer in the team"):
                await bob.sync.leave()

    run(test())


def test_of_two_who_remove_each_other_at_once_who_is_in_the_team_is_agreed(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await all_agree(all_of.running, HONEST)
            bob.sync.remove("carol")
            carol.sync.remove("bob")
            # Either alice has heard both, or the one who was out for her had no say any more.

            def agreed() -> bool:
                inside = [side for side in all_of.running if side.name in members(alice)]
                outside = [side for side in all_of.running if side not in inside]
                same = all(members(side) == members(alice) for side in inside)
                return bool(outside) and alice in inside and same and all(side.sync.why_out() for side in outside)

            await eventually(agreed)

    run(test())
