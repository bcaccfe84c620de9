"""Who holds what is known also through others, in the words of those who hold it, and of nobody else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from bough_daemon.budgets import MOST_ANSWERS
from bough_daemon.sync.jobs import NotTaken
from bough_daemon.sync.messages import Reach, Route
from bough_daemon.sync.relay import MOST_HOPS
from bough_daemon.team.branch_state import MOST_BRANCHES, BranchKind, Key, State
from bough_daemon.team.receipts import Receipt

from tests.daemon.sync.test_exchange import World, said
from tests.daemon.team.test_roster import NOW, someone


@pytest.fixture
def star() -> Iterator[World]:
    """Bob and carol, each connected with alice alone, with nothing left to say."""
    world = World(0, 3)
    world.connect("alice", "bob")
    world.connect("alice", "carol")
    world.settle()
    yield world
    world.close()


def receipts(words: Sequence[object]) -> list[Receipt]:
    return [word for word in words if isinstance(word, Receipt)]


def held(world: World, state: State, by: str = "carol") -> Receipt:
    """Return a receipt that a member signs."""
    return Receipt(b"", state.key, state.sequence, state.tip).signed(state.team, someone(by))


def holders(world: World, state: State) -> set[str]:
    return world.members["bob"].exchange.holders(state.key, state.sequence)


def test_a_member_hears_who_holds_their_state_through_another(star: World) -> None:
    state = star.members["bob"].save()
    star.settle()
    assert holders(star, state) == {"alice", "carol"}
    assert star.members["bob"].exchange.held_by("carol", state.key) == state.tip
    assert star.members["bob"].exchange.relay.through("carol") == ["alice"]


def test_a_member_hears_why_one_who_is_not_connected_does_not_take_their_state(
    star: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(star.members["carol"], "take", lambda *_: NotTaken("it has\na zip bomb"))
    state = star.members["bob"].save()
    star.settle()
    bob = star.members["bob"].exchange
    assert holders(star, state) == {"alice"} and bob.refusals["carol"][state.key].reason == "it has a zip bomb"


def test_where_everyone_is_connected_no_receipt_is_signed(star: World, monkeypatch: pytest.MonkeyPatch) -> None:
    star.connect("bob", "carol")
    star.settle()
    monkeypatch.setattr(Receipt, "signed", lambda *_: pytest.fail("a receipt was signed"))
    state = star.members["bob"].save()
    star.settle()
    assert holders(star, state) == {"alice", "carol"}


def test_a_member_who_starts_afresh_hears_again_who_holds_their_state(star: World) -> None:
    state = star.members["bob"].save()
    star.settle()
    star.members["bob"].exchange.confirmed.clear()
    star.cut("alice", "bob")
    star.connect("alice", "bob")
    star.settle()
    assert holders(star, state) == {"alice", "carol"}


def test_what_carol_holds_only_carol_can_say(star: World) -> None:
    state = star.members["bob"].save()
    star.members["carol"].todo.clear()
    bob = star.members["bob"].exchange
    mine = held(star, state)
    forged = [
        replace(held(star, state, "alice"), by=someone("carol").key),  # signed by the relay
        replace(mine, signature=b""),
        replace(mine, sequence=state.sequence + 1),  # of a state that there is not
        replace(mine, tip="1" * 40),
        replace(mine, refused="because"),
        replace(mine, key=replace(state.key, branch=b"bob+x")),
        replace(Receipt(b"", state.key, 1, state.tip).signed("another team", someone("carol"))),
        held(star, state, "dave"),  # who is not in the team
        held(star, state, "bob"),
    ]
    for receipt in forged:
        assert bob.hear("alice", receipt, NOW) == [] and "carol" not in holders(star, state)
    assert len(bob.hear("alice", mine, NOW)) == 1 and "carol" in holders(star, state)
    assert bob.hear("alice", mine, NOW) == []  # again


def test_a_relay_passes_on_no_forged_receipt_and_no_more_than_the_latest(star: World) -> None:
    first = star.members["bob"].save()
    star.settle()
    alice = star.members["alice"].exchange
    assert receipts(said(star, "alice", "bob")) == []
    alice.hear("carol", held(star, first), NOW)
    assert receipts(said(star, "alice", "bob")) == []  # it was passed on already
    second, third = star.members["bob"].save(), star.members["bob"].save()
    for receipt in (held(star, second), held(star, third), held(star, second), replace(held(star, third), tip="0")):
        alice.hear("carol", receipt, NOW)
    assert receipts(said(star, "alice", "bob")) == [held(star, third)]


def test_a_receipt_that_goes_in_circles_comes_round_once() -> None:
    world = World(0, 5)
    names = list(world.members)
    for one, other in itertools.combinations(names[1:], 2):
        world.connect(one, other)
    world.connect(names[0], names[1])
    world.settle()
    state = world.members[names[0]].save()
    world.settle()
    holder = world.members[names[2]].exchange
    mine = Receipt(b"", state.key, state.sequence + 1, state.tip).signed(state.team, someone(names[3]))
    for _ in range(3):
        holder.hear(names[3], mine, NOW)
        world.settle()  # ends
    assert sum(len(receipts(said(world, one, other))) for one, other in itertools.permutations(names[1:], 2)) == 0
    world.close()


def test_what_a_peer_says_to_reach_stays_within_the_team(star: World) -> None:
    alice = star.members["alice"].exchange
    names = tuple((f"nobody{number}", Route(1, 0)) for number in range(400))
    ways = (*names, *((name, Route(1, 0)) for name in ("bob", "carol", "alice")), ("bob", Route(2**31, 0)))
    alice.hear("carol", Reach(ways, ("nobody", "bob")), NOW)
    assert alice.relay._ways.keys() <= {"alice", "bob"} and alice.relay.through("bob") == []


def test_a_relay_checks_the_receipts_of_others_and_leaves_a_signers_own_to_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(0, 4)
    for name in ("bob", "carol", "dave"):
        world.connect("alice", name)
    world.settle()
    alice, bob = world.members["alice"].exchange, world.members["bob"].exchange
    checked, real = list[bytes](), Receipt.is_signed

    def is_signed(receipt: Receipt, team: str) -> bool:
        checked.append(receipt.by)
        return real(receipt, team)

    monkeypatch.setattr(Receipt, "is_signed", is_signed)
    state = world.members["bob"].save()
    receipt = held(world, state)
    alice.hear("dave", replace(receipt, signature=bytes(64)), NOW)
    assert checked == [receipt.by] and receipts(said(world, "alice", "bob")) == []
    forged = replace(receipt, signature=bytes(64))  # carol signed it herself, badly
    alice.hear("carol", forged, NOW)
    assert checked == [receipt.by] and receipts(said(world, "alice", "bob")) == [forged]
    assert bob.hear("alice", forged, NOW) == [] and "carol" not in bob.holders(state.key, state.sequence)
    world.close()


def test_a_member_cannot_fill_a_relay_with_receipts_for_states_that_nobody_has(star: World) -> None:
    alice, state = star.members["alice"].exchange, star.members["bob"].save()
    star.settle()
    for number in range(MOST_BRANCHES + 50):
        key = Key("bob", BranchKind.LIVE, b"bob+%d" % number)
        alice.hear("carol", held(star, replace(state, key=key)), NOW)
    assert len(receipts(said(star, "alice", "bob"))) == MOST_BRANCHES


def test_what_waits_for_a_peer_stays_small(star: World) -> None:
    link = star.members["alice"].exchange.links["bob"]
    for number in range(MOST_ANSWERS + 50):
        link.acknowledge(b"k", Key("bob", BranchKind.LIVE, b"%d" % number), None)
    assert len(link.receipts) == MOST_ANSWERS


def test_a_peer_who_does_not_know_these_words_is_not_sent_them() -> None:
    world = World(0, 3)
    world.connect("alice", "bob")
    world.members["alice"].exchange.links["bob"].relays = False
    world.connect("alice", "carol")
    state = world.members["carol"].save()
    while world.step():
        assert not any(isinstance(word, Reach | Receipt) for word in world.wires["alice", "bob"])
    assert world.members["bob"].exchange.known[state.key] == state
    world.close()


def test_a_member_who_is_gone_is_soon_reached_through_nobody() -> None:
    world = World(0, 6)
    names = list(world.members)
    for one, other in itertools.pairwise([*names[1:], names[1]]):  # a ring, in which each says what the last one said
        world.connect(one, other)
    world.connect(names[1], names[3])
    world.connect(names[0], names[1])
    world.settle()
    assert all(world.members[name].exchange.relay.through(names[0]) for name in names[2:])
    world.cut(names[0], names[1])
    world.settle()
    assert not any(world.members[name].exchange.relay.through(names[0]) for name in names[1:])
    world.close()


def test_a_way_that_becomes_too_long_is_none_any_more(star: World) -> None:
    alice = star.members["alice"].exchange
    for steps in (1, MOST_HOPS):
        alice.hear("carol", Reach((("dave", Route(steps, 0)), ("bob", Route(steps, 0)))), NOW)
    assert alice.relay._ways == {}
