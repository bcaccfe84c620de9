"""The protocol, driven by a seeded simulator: lost connections, slow peers, packs that fail, three to five members."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import random
from collections import deque
from dataclasses import replace

import pytest
from bough_daemon.budgets import MOST_ANSWERS, MOST_ARRIVING, MOST_EARLY, MOST_LEAVING
from bough_daemon.errors import PeerRefused
from bough_daemon.store.packs import Limits, Spool
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import (
    AskAgain,
    Behind,
    Declined,
    Doubled,
    FindHaves,
    Job,
    LandedElsewhere,
    Learned,
    MakePack,
    NotTaken,
    OfferAgain,
    Signed,
    TakePack,
)
from bough_daemon.sync.links import Link, Outgoing
from bough_daemon.sync.messages import Announce, Chunk, Delivered, Gossip, Held, Message, Refused, Want
from bough_daemon.system.text import LONGEST_REASON
from bough_daemon.talk.entries import SolidMark, TalkEntry
from bough_daemon.team.branch_state import MOST_ASIDES, MOST_BRANCHES, BranchKind, Key, State
from bough_daemon.team.roster import Roster

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone

PEOPLE = ["alice", "bob", "carol", "dave", "erin"]
LIMITS = Limits(pack=5000, chunk=60, inline=100)
IN_TRANSIT = 3  # words that a connection holds


def oid(member: str, number: int) -> str:
    """Return the commit that is the `number`th snapshot of a member."""
    return hashlib.sha1(f"{member} {number}".encode()).hexdigest()


class Speaker:
    """One member with a store that is a set of commits; each snapshot needs the one before it."""

    def __init__(self, name: str, roster: Roster) -> None:
        self.name = name
        self.exchange = Exchange(name, roster, lambda: Spool(io.BytesIO()), LIMITS, identity=someone(name))
        self.commits: dict[str, str | None] = {}
        self.todo: list[Job] = []
        self.saved = 0
        self.heard_of = set[str]()  # tips of this member's own that were not here

    def key(self) -> Key:
        """Whose state it is that this member publishes."""
        return Key(self.name, BranchKind.LIVE, self.name.encode())

    def save(self) -> State:
        """Take a snapshot and tell the team."""
        before = oid(self.name, self.saved) if self.saved else None
        self.saved += 1
        tip = oid(self.name, self.saved)
        self.commits[tip] = before
        state = State(self.exchange.roster.team, self.key(), self.saved, tip, tip, NOW).signed(someone(self.name))
        self.todo += self.exchange.publish(state)
        return state

    def comment(self) -> None:
        """Say something of code to the team."""
        entry = self.exchange.talk.next(SolidMark(self.name, "1" * 40), someone(self.name), NOW)
        self.todo += self.exchange.hear_talk([entry])

    def perform(self, job: Job, fails: bool = False) -> None:
        """Do what git would do."""
        match job:
            case MakePack(_, state, since, asked):
                haves = {since.tip} if since is not None else set(asked.haves if asked is not None else ())
                self.todo += self.exchange.pack_made(job, None if fails else self.pack(state.tip, haves))
            case FindHaves():
                self.todo += self.exchange.ask(job, tuple(self.commits), ())
            case Signed(peer, state) if state.tip not in self.commits:
                self.heard_of.add(state.tip)
                self.todo += self.exchange.keep_aside(peer, state)
            case TakePack(_, state, spool):
                self.todo += self.exchange.pack_taken(job, NotTaken("no") if fails else self.take(state.tip, spool))

    def pack(self, tip: str, haves: set[str]) -> tuple[Spool, str]:
        """Return a pack of what `tip` needs and `haves` lack."""
        needed: dict[str, str | None] = {}
        at: str | None = tip
        while at is not None and at not in haves:
            needed[at] = self.commits[at]
            at = self.commits[at]
        data = json.dumps(needed).encode()
        return Spool(io.BytesIO(data)), hashlib.sha1(data).hexdigest()

    def take(self, tip: str, spool: Spool) -> NotTaken | None:
        """Take a pack in if everything is there with it."""
        together = self.commits | json.loads(spool.read(0, spool.size))
        at: str | None = tip
        while at is not None:
            if at not in together:
                return NotTaken("incomplete")
            at = together[at]
        self.commits = together
        return None


class World:
    """Members, and the connections between them."""

    def __init__(self, seed: int, count: int) -> None:
        self.chance = random.Random(seed)
        founded = Roster.found(someone("alice"), "alice", NOW)
        for name in PEOPLE[1:count]:
            admit(founded, "alice", name)
        self.members = {name: Speaker(name, copy_of(founded)) for name in PEOPLE[:count]}
        self.wires: dict[tuple[str, str], deque[Message]] = {}
        self.woken = {name: set[str]() for name in self.members}

    def connect(self, one: str, other: str) -> None:
        """Let two begin to talk."""
        self.wires[one, other], self.wires[other, one] = deque(), deque()
        for me, peer in ((one, other), (other, one)):
            self.members[me].todo += self.members[me].exchange.connected(peer)

    def cut(self, one: str, other: str) -> None:
        """Lose a connection with all that is on it."""
        for me, peer in ((one, other), (other, one)):
            del self.wires[me, peer]
            self.members[me].todo += self.members[me].exchange.disconnected(peer)

    def moves(self) -> list[tuple[str, str, str]]:
        """Return what could happen next by itself."""
        found = [("job", name, "") for name, member in self.members.items() if member.todo]
        found += [("hear", one, other) for (one, other), wire in self.wires.items() if wire]
        return found + [("say", one, other) for (one, other), wire in self.wires.items() if len(wire) < IN_TRANSIT]

    def step(self, fails: float = 0.0) -> bool:
        """Let one thing happen; return whether anything did."""
        moves = self.moves()
        self.chance.shuffle(moves)
        for move, one, other in moves:
            if move == "job":
                member = self.members[one]
                job = member.todo.pop(self.chance.randrange(len(member.todo)))
                member.perform(job, self.chance.random() < fails)
                return True
            if move == "hear":
                member = self.members[other]
                member.todo += member.exchange.hear(one, self.wires[one, other].popleft(), NOW)
                return True
            self.woken[one] |= set(self.members[one].exchange.touched())
            word = self.members[one].exchange.next_word(other)
            if word is not None:
                assert other in self.woken[one], f"nobody would have been woken to say {word}"
                self.wires[one, other].append(word)
                return True
            self.woken[one].discard(other)
        return False

    def settle(self) -> int:
        """Let things happen until nothing more does; return how many did."""
        steps = 0
        while self.step():
            steps += 1
            assert steps < 50_000, "it never ends"
        return steps

    def newest(self) -> dict[Key, State]:
        """Return the newest state of each branch."""
        states = [state for member in self.members.values() for state in member.exchange.known.values()]
        return {state.key: state for state in sorted(states, key=lambda state: state.sequence)}

    def talk(self) -> dict[bytes, TalkEntry]:
        """Return everything that anyone said."""
        return {digest: entry for member in self.members.values() for digest, entry in member.exchange.talk.entries()}

    def close(self) -> None:
        """Let go of every pack."""
        for member in self.members.values():
            for job in member.todo:
                if isinstance(job, TakePack):
                    job.spool.close()
            member.exchange.close()


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_everyone_has_everything_once_they_are_connected(seed: int) -> None:
    world = World(seed, count=3 + seed % 3)
    names = list(world.members)
    chance = world.chance
    for _ in range(400):
        one, other = chance.sample(names, 2)
        happens = chance.random()
        if happens < 0.05:
            world.members[one].save()
        elif happens < 0.07:
            world.members[one].comment()
        elif happens < 0.11 and (one, other) not in world.wires:
            world.connect(one, other)
        elif happens < 0.13 and (one, other) in world.wires:
            world.cut(one, other)
        else:
            world.step(fails=0.1)
    for one, other in {(min(pair), max(pair)) for pair in world.wires}:
        world.cut(one, other)
    for member in world.members.values():
        member.exchange.confirmed.clear()  # as if all had started afresh
    # In a row, so that most of it has to pass through others.
    for one, other in itertools.pairwise(names):
        world.connect(one, other)
    world.settle()
    for member in world.members.values():
        assert member.exchange.known == world.newest()
        assert dict(member.exchange.talk.entries()) == world.talk()
        assert all(
            oid(name, world.members[name].saved) in member.commits for name in names if world.members[name].saved
        )
        # Who holds it is known also of those who are four steps away.
        others = set(names) - {member.name} if member.saved else set()
        assert member.exchange.holders(member.key(), member.saved or 1) == others
        for other in set(names) - {member.name} - member.exchange.links.keys():
            assert member.exchange.relay.through(other) == [towards(names, member.name, other)]
    world.close()


def towards(names: list[str], one: str, other: str) -> str:
    """Return the neighbour of `one`, in a row, through whom the way to `other` leads."""
    at = names.index(one)
    return names[at + 1] if names.index(other) > at else names[at - 1]


@pytest.fixture
def pair() -> World:
    """Alice and bob, connected, with nothing left to say."""
    world = World(0, 2)
    world.connect("alice", "bob")
    world.settle()
    return world


def said(world: World, one: str, other: str) -> list[Message]:
    """Return everything that `one` has to say to `other` now, undelivered; packs are made on the way."""
    member, words = world.members[one], list[Message]()
    while True:
        while member.todo:
            member.perform(member.todo.pop(0))
        word = member.exchange.next_word(other)
        if word is None:
            return words
        words.append(word)


def test_a_save_that_the_peer_can_follow_goes_with_its_pack_unasked(pair: World) -> None:
    pair.members["alice"].save()
    pair.settle()
    state = pair.members["alice"].save()
    words = said(pair, "alice", "bob")
    assert all(isinstance(word, Chunk) and word.state == state for word in words) and words


def test_a_slow_peer_gets_the_latest_and_no_backlog(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    alice.save()
    pair.settle()
    for _ in range(40):
        state = alice.save()
    link = alice.exchange.links["bob"]
    assert len(link.announcements) + len(link.outgoing) + len(link.making) <= 1
    steps = pair.settle()
    assert bob.exchange.known[alice.key()] == state
    assert steps < 150, "the parts of one pack, not forty packs"


def test_a_third_member_gets_a_tip_through_another() -> None:
    world = World(1, 3)
    world.connect("alice", "bob")
    world.connect("alice", "carol")
    state = world.members["bob"].save()
    world.settle()
    assert world.members["carol"].exchange.known[state.key] == state
    world.close()


def row() -> World:
    """Return bob and carol, who are connected through alice alone and have bob's first save."""
    world = World(1, 3)
    world.connect("alice", "bob")
    world.connect("alice", "carol")
    world.members["bob"].save()
    world.settle()
    return world


def test_a_save_that_comes_through_another_goes_with_its_pack_unasked() -> None:
    world = row()
    state = world.members["bob"].save()
    while world.members["alice"].exchange.known.get(state.key) != state:
        world.step()
    words = [*world.wires["alice", "carol"], *said(world, "alice", "carol")]
    assert [word for word in words if isinstance(word, Chunk) and word.state == state]
    assert Announce(state) not in words
    world.close()


def test_a_peer_who_is_connected_with_a_member_gets_no_pack_of_theirs_unasked() -> None:
    world = row()
    world.connect("bob", "carol")
    world.settle()
    state = world.members["bob"].save()
    while world.members["alice"].exchange.known.get(state.key) != state:
        world.step()
    assert not [word for word in said(world, "alice", "carol") if isinstance(word, Chunk)]
    world.settle()
    assert world.members["carol"].exchange.known[state.key] == state
    world.close()


def test_a_pack_that_broke_off_goes_on_where_it_stopped(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    pair.cut("alice", "bob")
    for _ in range(5):
        alice.save()
    pair.connect("alice", "bob")
    while not any(part.spool.size for part in bob.exchange.links["alice"].incoming.values()):
        assert pair.step()
    pair.cut("alice", "bob")
    pair.connect("alice", "bob")
    while not pair.wires["bob", "alice"] or not isinstance(pair.wires["bob", "alice"][-1], Want):
        assert pair.step()
    want = pair.wires["bob", "alice"][-1]
    assert isinstance(want, Want) and want.offset > 0
    pair.wires["bob", "alice"].pop()
    assert alice.exchange.hear("bob", want, NOW) == []
    chunk = next(word for word in said(pair, "alice", "bob") if isinstance(word, Chunk))
    assert (chunk.offset, chunk.pack) == (want.offset, want.pack)


def test_a_pack_that_broke_off_and_is_gone_is_sent_anew(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    pair.cut("alice", "bob")
    for _ in range(5):
        alice.save()
    pair.connect("alice", "bob")
    while not any(part.spool.size for part in bob.exchange.links["alice"].incoming.values()):
        assert pair.step()
    pair.cut("alice", "bob")
    newest = alice.save()
    pair.connect("alice", "bob")
    pair.settle()
    assert bob.exchange.known[alice.key()] == newest


def heard(world: World, word: Message) -> list[Message]:
    """Return what bob answers when alice says `word`, and check that they go on talking."""
    bob = world.members["bob"]
    bob.todo += bob.exchange.hear("alice", word, NOW)
    answers = said(world, "bob", "alice")
    assert "alice" in bob.exchange.links
    return answers


def test_a_replayed_state_changes_nothing(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    old = alice.save()
    pair.settle()
    new = alice.save()
    pair.settle()
    answers = heard(pair, Announce(old))
    assert bob.exchange.known[alice.key()] == new
    assert answers == [Held(old.key, new.sequence)]


def forked(state: State, number: int) -> State:
    """Return another state with the same number, whose tip is the `number`th snapshot."""
    member = state.key.member
    return replace(state, tip=oid(member, number), base=oid(member, number)).signed(someone(member))


def test_of_two_states_with_one_number_the_second_is_refused_and_kept_aside(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    state = alice.save()
    pair.settle()
    second = forked(state, 99)
    refused, wanted = heard(pair, Announce(second))
    assert isinstance(refused, Refused) and refused.key == state.key and "two different states" in refused.reason
    assert isinstance(wanted, Want) and wanted.key == second.as_aside().key
    assert bob.exchange.known[alice.key()] == state
    assert bob.exchange.forks() == [(state, second)]


@pytest.mark.parametrize("seed", range(30))
def test_everyone_keeps_both_of_two_states_with_one_number(seed: int) -> None:
    world = World(seed, 3)
    alice, carol = world.members["alice"], world.members["carol"]
    world.connect("alice", "bob")
    state = alice.save()
    second = forked(state, 2)
    # What a second machine of alice's told carol alone.
    carol.commits[second.tip] = None
    carol.exchange.known[second.key] = second
    world.connect("alice", "carol")
    world.connect("bob", "carol")
    world.settle()
    for name in ("alice", "bob", "carol"):
        known = world.members[name].exchange.known
        counts = known[state.key]  # the one that came first
        other = second if counts == state else state
        assert counts in (state, second) and known[other.as_aside().key] == other.as_aside()
        assert {state.tip, second.tip} <= world.members[name].commits.keys()
    assert alice.heard_of == {second.tip}
    world.close()


@pytest.mark.parametrize("seed", [*range(30), 360])  # 360: a pack that was asked for comes before the other is taken
def test_two_who_are_told_different_states_with_one_number_hear_of_both_whenever_that_is(seed: int) -> None:
    world = World(seed, 3)
    world.connect("alice", "bob")
    world.settle()
    carol = world.members["carol"]
    first = carol.save()
    second = forked(first, 2)
    carol.commits[second.tip] = None
    for name, state in (("alice", first), ("bob", second)):
        member, (pack, pack_name) = world.members[name], carol.pack(state.tip, set())
        member.todo += member.exchange.connected("carol")
        for sent in (state, state.as_aside()):
            chunk = Chunk(sent, pack_name, 0, pack.size, pack.read(0, pack.size))
            member.todo += member.exchange.hear("carol", chunk, NOW)
            # Where the other state came first it is refused, and sent once more as one to be kept beside that.
            if not isinstance(member.exchange.links["carol"].answers.get(sent.key), Refused):
                break
        member.todo += member.exchange.disconnected("carol")
        for _ in range(seed % 30):
            world.step()
    world.settle()
    for name in ("alice", "bob"):
        assert {state.tip for state in world.members[name].exchange.known.values()} == {first.tip, second.tip}
        assert {first.tip, second.tip} <= world.members[name].commits.keys()
    world.close()


def test_old_states_that_someone_tells_again_are_not_kept_aside(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    states = [bob.save() for _ in range(4)]
    pair.settle()
    admit(alice.exchange.roster, "alice", "carol")
    alice.exchange.links["carol"] = Link()
    for old in states[:-1]:
        alice.exchange.hear("carol", Announce(old.as_aside()), NOW)
        chunk = Chunk(old.as_aside(), "p", 0, 4, b"data")
        assert not [job for job in alice.exchange.hear("carol", chunk, NOW) if isinstance(job, TakePack)]
    lie = replace(states[0], key=replace(states[0].key, aside=states[1].tip))
    alice.exchange.hear("bob", Announce(lie), NOW)
    assert [key for key in alice.exchange.known if key.aside] == []


def test_only_so_many_states_that_contradict_each_other_are_kept(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    state = alice.save()
    pair.settle()
    answers = list[Message]()
    for number in range(100, 600):
        other = forked(state, number)
        alice.commits[other.tip] = None
        for said_of in (other, other.as_aside()):
            bob.todo += bob.exchange.hear("alice", Announce(said_of), NOW)
        answers += said(pair, "bob", "alice")
    wanted = {word.key for word in answers if isinstance(word, Want)}
    assert len(wanted) == MOST_ASIDES
    assert any(isinstance(word, Refused) and "too many" in word.reason for word in answers)
    assert len(bob.exchange.links["alice"].holds) <= MOST_ASIDES + 1
    later = alice.save()
    pair.settle()
    assert bob.exchange.known[later.key] == later


def test_a_state_that_someone_else_signed_is_refused(pair: World) -> None:
    bobs = pair.members["bob"].key()
    for key in (bobs, Key("carol", BranchKind.LIVE, b"carol"), Key("alice", BranchKind.LIVE, b"bob")):
        forged = State(pair.members["bob"].exchange.roster.team, key, 5, oid("x", 1), oid("x", 1), NOW)
        assert [type(word) for word in heard(pair, Announce(forged.signed(someone("alice"))))] == [Refused]
    assert not pair.members["bob"].exchange.known


def test_a_state_of_another_team_is_refused(pair: World) -> None:
    elsewhere = State("ff" * 16, pair.members["alice"].key(), 5, oid("x", 1), oid("x", 1), NOW)
    assert [type(word) for word in heard(pair, Announce(elsewhere.signed(someone("alice"))))] == [Refused]


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"total": LIMITS.pack + 1}, "too large"),
        ({"total": LIMITS.inline + 1}, "too large"),
        ({"offset": 10}, "missing"),
        ({"data": b""}, "does not have the size"),
        ({"total": 3}, "does not have the size"),
        ({"total": 0}, "does not have the size"),
    ],
)
def test_a_part_of_a_pack_that_does_not_fit_is_refused(pair: World, flaw: dict[str, object], reason: str) -> None:
    alice = pair.members["alice"]
    state = State(alice.exchange.roster.team, alice.key(), 1, oid("alice", 1), oid("alice", 1), NOW)
    chunk = Chunk(state.signed(someone("alice")), "p", 0, 20, b"0123456789")
    answers = heard(pair, replace(chunk, **flaw))  # type: ignore[arg-type]
    assert isinstance(answers[0], Refused) and reason in answers[0].reason
    assert not pair.members["bob"].exchange.links["alice"].incoming


def test_a_part_that_belongs_to_another_state_is_refused(pair: World) -> None:
    alice = pair.members["alice"]
    state = State(alice.exchange.roster.team, alice.key(), 1, oid("alice", 1), oid("alice", 1), NOW)
    chunk = Chunk(state.signed(someone("alice")), "p", 0, 20, b"0123456789")
    assert heard(pair, chunk) == []
    other = replace(state, sequence=2, tip=oid("alice", 2)).signed(someone("alice"))
    assert isinstance(heard(pair, replace(chunk, state=other, offset=10))[0], Refused)


def test_a_member_cannot_fill_the_memory_with_branches(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    for number in range(MOST_BRANCHES):
        key = Key("alice", BranchKind.LANDED, b"b%d" % number)
        bob.exchange.known[key] = State(bob.exchange.roster.team, key, 1, oid("x", 1), oid("x", 1), NOW)
    one_more = State(
        alice.exchange.roster.team, Key("alice", BranchKind.LANDED, b"more"), 1, oid("x", 1), oid("x", 1), NOW
    )
    answers = heard(pair, Announce(one_more.signed(someone("alice"))))
    assert isinstance(answers[-1], Refused) and "too many" in answers[-1].reason


def test_a_pack_that_could_not_be_made_is_not_waited_for(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    alice.save()
    while True:
        making = next((job for job in alice.todo if isinstance(job, MakePack)), None)
        if making is not None:
            break
        pair.step()
    alice.todo.remove(making)
    alice.perform(making, fails=True)
    pair.settle()
    assert not bob.exchange.known
    newer = alice.save()
    pair.settle()
    assert bob.exchange.known[alice.key()] == newer


def test_a_member_restored_from_a_backup_hears_of_its_own_newer_state(pair: World) -> None:
    alice = pair.members["alice"]
    alice.save()
    state = alice.save()
    pair.settle()
    pair.cut("alice", "bob")
    alice.exchange.known.clear()
    alice.saved = 0
    pair.connect("alice", "bob")
    seen = list[Job]()
    while pair.step():
        seen += [job for job in alice.todo if isinstance(job, Behind)]
    assert seen and seen[0] == Behind(state)


def test_of_a_members_own_landings_the_newest_counts_wherever_it_was_signed(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    key = Key("alice", BranchKind.LANDED, b"main")
    old, new = oid("landed", 1), oid("landed", 2)
    bob.commits |= {old: None, new: old}
    first, second = (
        State(alice.exchange.roster.team, key, number, tip, tip, NOW).signed(someone("alice"))
        for number, tip in ((1, old), (2, new))
    )
    bob.exchange.known[key] = second
    heard, fetch = alice.exchange.hear("bob", Announce(second), NOW)
    assert (heard, fetch) == (LandedElsewhere(second), FindHaves("bob", second))
    assert alice.exchange.hear("bob", Announce(second), NOW) == [LandedElsewhere(second)]  # already asked for
    alice.todo.append(fetch)
    pair.settle()
    assert alice.exchange.known[key] == second and alice.commits[new] == old
    assert alice.exchange.hear("bob", Announce(first), NOW) == []
    forged = replace(second, sequence=3)
    assert alice.exchange.hear("bob", Announce(forged), NOW) == []


def test_what_is_asked_for_while_it_is_made_unasked_is_sent_however_large(pair: World) -> None:
    alice = pair.members["alice"]
    first = alice.save()
    pair.settle()
    state = alice.save()
    (unasked,) = [job for job in alice.todo if isinstance(job, MakePack)]
    want = Want(state.key, state.sequence, (first.tip,))
    (asked,) = alice.exchange.hear("bob", want, NOW)
    assert asked == MakePack("bob", state, None, want)
    assert alice.exchange.hear("bob", want, NOW) == []  # again
    large = Spool(io.BytesIO(b"x" * (Limits().inline + 1)))
    alice.exchange.pack_made(unasked, (large, "unasked"))
    assert large.file.closed and not alice.exchange.links["bob"].ready
    alice.todo.clear()
    alice.exchange.pack_made(asked, (Spool(io.BytesIO(b"pack")), "asked"))
    assert isinstance(alice.exchange.next_word("bob"), Chunk)


def test_a_member_restored_from_a_backup_hears_of_a_later_number_of_the_same_files(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    first = alice.save()
    pair.settle()
    later = replace(first, sequence=3).signed(someone("alice"))
    bob.exchange.known[first.key] = later
    assert alice.exchange.hear("bob", Announce(later), NOW) == [Behind(later)]
    assert alice.exchange.hear("bob", Announce(first), NOW) == []


def test_a_new_member_is_made_known_to_all_and_then_trusted() -> None:
    world = World(3, 3)
    world.connect("bob", "alice")
    world.connect("bob", "carol")
    world.settle()
    alice = world.members["alice"].exchange
    entry = admit(alice.roster, "alice", "dave", now=NOW + 5)
    alice.spread([entry], [])
    world.settle()
    assert world.members["carol"].exchange.roster.member("dave") == entry
    world.close()


@pytest.mark.parametrize("saves_meanwhile", [False, True])
def test_what_a_peer_holds_of_a_member_who_is_in_again_is_asked_for(saves_meanwhile: bool) -> None:
    world = World(3, 3)
    world.connect("bob", "alice")
    world.connect("alice", "carol")
    bob, carol = world.members["bob"], world.members["carol"]
    state = carol.save()
    world.settle()
    roster = copy_of(bob.exchange.roster)
    dave = admit(roster, "carol", "dave")
    wrongly = copy_of(roster).remove(someone("dave"), "carol", NOW)
    rightly = copy_of(roster).remove(someone("carol"), "dave", NOW)
    # Of this, alice and carol hear the second alone: for them nothing has happened to carol.
    bob.todo += bob.exchange.hear("alice", Gossip((dave,), removals=tuple(wrongly)), NOW)
    assert carol.key() not in bob.exchange.known
    if saves_meanwhile:
        state = carol.save()
    world.settle()
    assert carol.key() not in bob.exchange.known
    bob.todo += bob.exchange.hear("alice", Gossip(removals=tuple(rightly)), NOW)
    world.settle()
    assert bob.exchange.known[carol.key()] == state
    world.close()


@pytest.mark.parametrize("seed", range(6))
def test_two_who_have_both_dropped_what_they_held_of_a_member_tell_each_other_again(seed: int) -> None:
    world = World(seed, 4)
    for one, other in (("alice", "dave"), ("dave", "bob"), ("bob", "carol")):
        world.connect(one, other)
    state = world.members["alice"].save()
    world.settle()
    roster = copy_of(world.members["bob"].exchange.roster)
    erin = admit(roster, "alice", "erin")
    wrongly = Gossip((erin,), removals=tuple(copy_of(roster).remove(someone("erin"), "alice", NOW)))
    rightly = Gossip(removals=tuple(copy_of(roster).remove(someone("alice"), "erin", NOW)))
    for said in (wrongly, rightly):
        for name in ("bob", "carol"):
            world.members[name].todo += world.members[name].exchange.learn(said, NOW)
        if said is wrongly:
            assert not any(state.key in world.members[name].exchange.known for name in ("bob", "carol"))
    world.settle()
    assert all(member.exchange.known[state.key] == state for member in world.members.values())
    world.close()


def test_what_is_remembered_of_those_who_are_not_in_the_team_is_bounded_and_well_formed(pair: World) -> None:
    bob, stranger = pair.members["bob"].exchange, someone("stranger")
    link = bob.links["alice"]
    for number in range(MOST_EARLY + 9):
        key = Key("stranger", BranchKind.LIVE, b"stranger+%d" % number)
        state = State(bob.roster.team, key, 1, oid("x", 1), oid("x", 1), NOW).signed(stranger)
        assert bob.hear("alice", Announce(state), NOW) == []
    assert len(link.early) == MOST_EARLY and state.key in link.early
    link.early.clear()
    for odd in (
        replace(state, key=replace(key, member="x" * 5000)),
        replace(state, key=replace(key, branch=b"x" * 5000)),
        replace(state, team="ab" * 16),
        replace(state, signature=b"x" * 5000),
        replace(state, tip="x" * 5000),
    ):
        assert bob.hear("alice", Announce(odd), NOW) == [] and not link.early


def test_where_a_member_is_counts_also_when_heard_from_a_member_who_takes_one_for_a_stranger(pair: World) -> None:
    alice, bob = pair.members["alice"].exchange, someone("bob")
    copied = copy_of(alice.roster)
    elsewhere = copied.announce(someone("alice"), ["10.0.0.9:9"], NOW)
    bobs = copied.announce(bob, ["10.0.0.2:2"], NOW)
    said = Gossip(contacts=(elsewhere, bobs))
    assert alice.hear_former(bob.key, said, NOW) == [Learned((), (elsewhere, bobs)), Doubled(NOW)]
    assert alice.hear_former(bob.key, said, NOW) == []
    assert alice.roster.addresses("bob") == ("10.0.0.2:2",)


def test_a_state_stops_counting_when_its_branch_becomes_another_members(pair: World) -> None:
    bob = pair.members["bob"].exchange
    key = Key("alice", BranchKind.LIVE, b"alice+dave")
    bob.known[key] = State(bob.roster.team, key, 1, oid("x", 1), oid("x", 1), NOW).signed(someone("alice"))
    roster = copy_of(bob.roster)
    entry = admit(roster, "alice", "dave", "alice+dave", NOW + 5)
    assert bob.hear("alice", Gossip((entry,)), NOW) == [Learned((entry,), ())]
    assert key not in bob.known


def refuse(world: World, reason: str, for_now: bool = False) -> Declined:
    """Have alice save, and bob refuse it; return what alice makes of that."""
    world.members["alice"].save()
    return refusal(world, reason, for_now)


def refusal(world: World, reason: str, for_now: bool = False) -> Declined:
    """Have bob refuse what alice sends, and return what alice makes of that."""
    alice, bob = world.members["alice"], world.members["bob"]
    while True:
        taking = next((job for job in bob.todo if isinstance(job, TakePack)), None)
        if taking is not None:
            bob.todo.remove(taking)
            bob.todo += bob.exchange.pack_taken(taking, NotTaken(reason, for_now))
        declined = next((job for job in alice.todo if isinstance(job, Declined)), None)
        if declined is not None:
            return declined
        assert world.step()


def test_a_refusal_is_kept_until_the_peer_takes_a_newer_state(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    declined = refuse(pair, "it is hostile")
    assert (declined.peer, declined.state.sequence, declined.reason) == ("bob", 1, "it is hostile")
    assert alice.exchange.refusals == {"bob": {alice.key(): declined}}
    assert bob.exchange.why_not_taken("alice") == "it is hostile"
    pair.cut("alice", "bob")
    assert alice.exchange.refusals["bob"], "kept when the conversation ends"
    alice.save()
    pair.connect("alice", "bob")
    pair.settle()
    assert alice.exchange.refusals == {"bob": {}}
    assert bob.exchange.why_not_taken("alice") == ""


def test_a_refusal_for_now_says_so(pair: World) -> None:
    assert refuse(pair, "the disk is full", for_now=True).for_now
    alice, bob = pair.members["alice"], pair.members["bob"]
    bob.todo += bob.exchange.retry(alice.key())
    pair.settle()
    assert bob.exchange.known == alice.exchange.known and alice.exchange.refusals == {"bob": {}}


def test_what_is_offered_again_is_answered_again(pair: World) -> None:
    alice = pair.members["alice"]
    alice.save()
    pair.settle()
    declined = refuse(pair, "it is hostile")
    pair.settle()
    alice.todo += alice.exchange.offer_again("bob", alice.key())
    assert refusal(pair, "it still is") == replace(declined, reason="it still is")


def test_the_words_of_a_refusal_are_bounded_and_can_be_shown(pair: World) -> None:
    alice = pair.members["alice"]
    state = alice.save()
    while not any(isinstance(word, Announce) for word in pair.wires["alice", "bob"]):
        assert pair.step()
    hostile = "\x1b[2J\nError: \u202e" + "x" * 100_000
    (declined,) = alice.exchange.hear("bob", Refused(state.key, state.sequence, hostile), NOW)
    assert isinstance(declined, Declined)
    assert declined.reason.isprintable() and len(declined.reason) == LONGEST_REASON
    pair.close()


def test_a_refusal_of_what_was_not_offered_changes_nothing(pair: World) -> None:
    alice = pair.members["alice"]
    alice.save()
    pair.settle()
    assert alice.exchange.hear("bob", Refused(alice.key(), 1, "no"), NOW) == []
    assert alice.exchange.refusals == {}


@pytest.mark.parametrize("lost", [MakePack, FindHaves, TakePack])
def test_a_job_that_nobody_finishes_is_done_by_the_next_conversation(pair: World, lost: type) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    alice.save()
    while True:
        found = [(one, job) for one in (alice, bob) for job in one.todo if isinstance(job, lost)]
        for one, job in found:
            one.todo.remove(job)
            one.exchange.abandon(job)  # type: ignore[arg-type]
        if found:
            break
        assert pair.step()
    pair.cut("alice", "bob")
    pair.connect("alice", "bob")
    pair.settle()
    assert bob.exchange.known == alice.exchange.known


def test_what_is_known_of_untaken_states_stays_small(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bough_daemon.sync.exchange.MOST_UNTAKEN", 3)
    bob = pair.members["bob"]
    for number in range(9):
        key = Key("alice", BranchKind.LANDED, b"b%d" % number)
        bob.exchange._note_untaken(State("t", key, 1, oid("x", 1), oid("x", 1), NOW), "no", False)
    assert len(bob.exchange._untaken) == 3


def landed(number: int, data: bytes = b"0123456789", total: int = 20) -> Chunk:
    """Return the first part of a pack for one of alice's branches."""
    state = State("", Key("alice", BranchKind.LANDED, b"b%d" % number), 1, oid("x", number), oid("x", number), NOW)
    return Chunk(state, "p", 0, total, data)


def in_team(world: World, chunk: Chunk) -> Chunk:
    """Return a part of a pack whose state alice has signed."""
    team = world.members["bob"].exchange.roster.team
    return replace(chunk, state=replace(chunk.state, team=team).signed(someone("alice")))


def test_half_packs_take_only_so_many_files_and_what_had_no_place_is_asked_for_later(pair: World) -> None:
    bob, jobs = pair.members["bob"].exchange, list[Job]()
    for number in range(MOST_ARRIVING + 5):
        jobs += bob.hear("alice", in_team(pair, landed(number)), NOW)
    link = bob.links["alice"]
    assert len(link.incoming) == MOST_ARRIVING and not jobs and not link.answers
    for number in range(MOST_ARRIVING + 5):
        jobs += bob.hear("alice", in_team(pair, replace(landed(number), offset=10)), NOW)
        if isinstance(jobs[-1], TakePack):
            jobs += bob.pack_taken(jobs[-1], None)
    taken = [job.state.key for job in jobs if isinstance(job, TakePack)]
    asked = [job.state.key for job in jobs if isinstance(job, FindHaves)]
    assert len(taken) == MOST_ARRIVING and len(asked) == 5 and not set(taken) & set(asked)


def test_branches_on_their_way_count_as_branches(pair: World) -> None:
    bob = pair.members["bob"].exchange
    for number in range(MOST_BRANCHES + 5):
        bob.hear("alice", Announce(in_team(pair, landed(number)).state), NOW)
    link = bob.links["alice"]
    assert len(link.holds) == MOST_BRANCHES and "too many" in str(list(link.answers.values())[-1])


def test_answers_to_branches_that_a_peer_invents_are_bounded(pair: World) -> None:
    bob = pair.members["bob"].exchange
    for number in range(MOST_ANSWERS + 10):
        bob.hear("alice", Want(Key("alice", BranchKind.LANDED, b"b%d" % number), 1), NOW)
    assert len(bob.links["alice"].answers) == MOST_ANSWERS


def test_packs_that_a_peer_asks_for_and_does_not_read_are_bounded_and_offered_again(pair: World) -> None:
    bob, made = pair.members["bob"].exchange, list[Job]()
    for number in range(MOST_LEAVING + 5):
        state = State(
            bob.roster.team, Key("carol", BranchKind.LANDED, b"b%d" % number), 1, oid("x", 1), oid("x", 1), NOW
        )
        bob.known[state.key] = state
        jobs = bob.hear("alice", Want(state.key, 1), NOW)
        made += jobs
        for job in jobs:
            if isinstance(job, MakePack):
                bob.pack_made(job, (Spool(io.BytesIO(b"pack")), "p"))
    link = bob.links["alice"]
    refused = [word for word in link.answers.values() if isinstance(word, Refused)]
    assert len(link.outgoing) == MOST_LEAVING and len(refused) == 5 and all(word.for_now for word in refused)
    again = next(job for job in made if isinstance(job, OfferAgain))
    bob.offer_again("alice", again.key)
    assert again.key in link.announcements


def test_a_disk_without_room_costs_one_pack_which_is_asked_for_again(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    spool = bob.exchange._spool

    def full() -> Spool:
        raise OSError(errno.ENOSPC, "No space left on device")

    bob.exchange._spool = full
    state = alice.save()
    asked = list[Job]()
    while pair.step():
        asked += [job for job in bob.todo if isinstance(job, AskAgain)]
    assert asked[0] == AskAgain(state.key) and not bob.exchange.known
    declined = alice.exchange.refusals["bob"][state.key]
    assert declined.for_now and declined.reason == "the disk is full"
    bob.exchange._spool = spool
    bob.todo += bob.exchange.retry(state.key)
    pair.settle()
    assert bob.exchange.known[state.key] == state


def test_what_one_member_sends_badly_is_still_taken_from_another() -> None:
    world = World(1, 3)
    bob = world.members["bob"]
    for name in ("alice", "carol"):
        bob.exchange.connected(name)
    state = State(bob.exchange.roster.team, Key("alice", BranchKind.LIVE, b"alice"), 1, oid("x", 1), oid("x", 1), NOW)
    state = state.signed(someone("alice"))
    (fetch,) = bob.exchange.hear("alice", Announce(state), NOW)
    assert isinstance(fetch, FindHaves)
    assert bob.exchange.hear("carol", Chunk(state, "p", 7, 10, b"bad"), NOW) == []
    assert bob.exchange.ask(fetch, (), ()) == []
    assert isinstance(bob.exchange.links["alice"].wants[state.key], Want)
    world.close()


def test_who_comes_later_gets_everything_that_was_said_of_code(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    alice.comment()
    bob.comment()
    pair.settle()
    pair.cut("alice", "bob")
    for _ in range(3):
        alice.comment()
    pair.connect("alice", "bob")
    pair.settle()
    assert dict(bob.exchange.talk.entries()) == dict(alice.exchange.talk.entries()) and len(bob.exchange.talk) == 5
    assert bob.exchange.links["alice"].talk == {} and alice.exchange.links["bob"].talk == {}


def test_what_is_said_while_a_peer_is_asked_how_far_it_is_comes_in_order() -> None:
    world = World(3, 3)
    alice, bob, carol = (world.members[name] for name in ("alice", "bob", "carol"))
    alice.comment()
    world.connect("alice", "bob")
    world.connect("bob", "carol")
    bob.exchange.hear_talk([entry for _, entry in alice.exchange.talk.entries()])
    alice.comment()
    bob.exchange.hear_talk([entry for _, entry in alice.exchange.talk.entries()], "alice")
    world.settle()
    assert dict(carol.exchange.talk.entries()) == dict(alice.exchange.talk.entries())
    world.close()


def test_a_peer_is_told_nothing_of_code_once_they_part(pair: World) -> None:
    alice = pair.members["alice"]
    link = alice.exchange.links["bob"]
    alice.comment()
    link.part([], [])
    assert link.talk == {} and alice.exchange.next_word("bob") is None
    alice.comment()
    assert link.talk == {}


def test_a_landing_with_a_number_that_peers_know_for_another_is_told_again(pair: World) -> None:
    alice, bob = pair.members["alice"].exchange, pair.members["bob"].exchange
    first = in_team(pair, landed(1)).state
    second = replace(first, tip=oid("x", 2), base=oid("x", 2)).signed(someone("alice"))
    alice.known[first.key], bob.known[first.key] = second, first
    assert alice.hear("bob", Announce(first), NOW) == [Behind(first)]


def incoming(state: State) -> Chunk:
    """Return a whole pack for a state."""
    return Chunk(state, "p", 0, 4, b"data")


def test_a_pack_that_came_while_a_bad_one_was_being_taken_is_asked_for_again() -> None:
    world = World(1, 3)
    bob = world.members["bob"].exchange
    for name in ("alice", "carol"):
        bob.connected(name)
    state = in_team(world, landed(1)).state
    (fetch,) = bob.hear("carol", Announce(state), NOW)
    assert isinstance(fetch, FindHaves)
    bob.ask(fetch, (), ())
    (taking,) = bob.hear("alice", incoming(state), NOW)
    assert isinstance(taking, TakePack)
    assert bob.hear("carol", incoming(state), NOW) == [], "one is being taken"
    assert [type(job) for job in bob.pack_taken(taking, NotTaken("bad"))] == [FindHaves]
    world.close()


@pytest.mark.parametrize("lost", [FindHaves, TakePack])
def test_what_a_job_that_nobody_finishes_was_to_bring_is_asked_for_elsewhere(lost: type) -> None:
    world = World(1, 3)
    bob = world.members["bob"].exchange
    for name in ("alice", "carol"):
        bob.connected(name)
    state = in_team(world, landed(1)).state
    (job,) = bob.hear("alice", Announce(state), NOW)
    assert bob.hear("carol", Announce(state), NOW) == []
    assert isinstance(job, FindHaves)
    if lost is TakePack:
        bob.ask(job, (), ())
        (job,) = bob.hear("alice", incoming(state), NOW)
    assert isinstance(job, FindHaves | TakePack)
    assert bob.abandon(job) == [FindHaves("carol", state)]
    world.close()


def test_a_name_that_is_another_members_now_has_nothing_of_the_one_before() -> None:
    world = World(1, 3)
    bob = world.members["bob"].exchange
    for name in ("alice", "carol"):
        bob.connected(name)
    hers = bob.roster
    # Carol has let in a dave whom bob knows, and alice, who is nearer to the founder, another one.
    first = hers.signed(someone("carol"), "dave", *badge("dave"), NOW + 9)
    second = hers.signed(someone("alice"), "dave", *badge("erin"), NOW + 9)
    bob.hear("carol", Gossip((first,)), NOW)
    key = Key("dave", BranchKind.LIVE, b"dave")
    old = State(hers.team, key, 7, oid("x", 1), oid("x", 1), NOW).signed(someone("dave"))
    (fetch,) = bob.hear("carol", Announce(old), NOW)
    assert fetch == FindHaves("carol", old)
    (taking,) = bob.hear("alice", incoming(old), NOW)
    assert isinstance(taking, TakePack)
    bob.hear("alice", Gossip((second,)), NOW)
    assert hers.member("dave") == second
    assert not [job for job in bob.pack_taken(taking, None) if isinstance(job, FindHaves)] and key not in bob.known
    new = State(hers.team, key, 1, oid("x", 2), oid("x", 2), NOW).signed(someone("erin"))
    assert bob.hear("alice", Announce(new), NOW) == [FindHaves("alice", new)]
    world.close()


def badge(who: str) -> tuple[bytes, bytes, bytes]:
    """Return what somebody brings to be admitted."""
    one = someone(who)
    return one.key, one.certificate, one.vouch


def apart(world: World, size: int) -> tuple[State, list[Chunk]]:
    """Let alice send bob a pack larger than `size` on the stream for packs; return its state and its parts."""
    alice = world.members["alice"]
    world.cut("alice", "bob")
    for me, peer in (("alice", "bob"), ("bob", "alice")):
        world.wires[me, peer] = deque()
        world.members[me].todo += world.members[me].exchange.connected(peer, carried_apart=True)
    alice.exchange.links["bob"].apart_above = size
    for _ in range(5):
        state = alice.save()
    world.settle()
    parts = list[Chunk]()
    while (chunk := alice.exchange.next_chunk("bob", 1.0)) is not None:
        parts.append(chunk)
    return state, parts


def test_a_large_pack_goes_beside_the_words_and_arrives(pair: World) -> None:
    state, parts = apart(pair, 100)
    bob = pair.members["bob"]
    assert len(parts) > 2 and state.key not in bob.exchange.known
    for part in parts:
        bob.todo += bob.exchange.hear_apart("alice", part, NOW)
    assert said(pair, "bob", "alice")[0] == Delivered(sum(len(part.data) for part in parts))
    assert bob.exchange.known[state.key] == state


def test_a_part_that_a_newer_pack_has_overtaken_is_left_alone(pair: World) -> None:
    state, parts = apart(pair, 100)
    alice, bob = pair.members["alice"], pair.members["bob"]
    bob.todo += bob.exchange.hear_apart("alice", parts[0], NOW)
    newer = alice.save()
    spool, pack = alice.pack(newer.tip, set())
    data = spool.read(0, spool.size)
    half = len(data) // 2
    assert heard(pair, Chunk(newer, pack, 0, len(data), data[:half])) == [Delivered(len(parts[0].data))]
    bob.todo += bob.exchange.hear_apart("alice", parts[1], NOW)
    heard(pair, Chunk(newer, pack, half, len(data), data[half:]))
    assert bob.exchange.known[newer.key] == newer != state


def test_a_pack_of_which_the_peer_has_the_state_by_now_is_not_sent_to_its_end(pair: World) -> None:
    state, _ = apart(pair, 100)
    alice = pair.members["alice"]
    link = alice.exchange.links["bob"]
    spool, _ = alice.pack(state.tip, set())
    link.send(Outgoing(state, "p", spool))
    assert link.has_packs()
    alice.todo += alice.exchange.hear("bob", Held(state.key, state.sequence), NOW)
    assert not link.has_packs() and spool.file.closed


def test_a_pack_that_is_too_large_to_go_unasked_is_sent_as_it_is_when_it_is_asked_for(pair: World) -> None:
    alice, bob = pair.members["alice"], pair.members["bob"]
    alice.save()
    pair.settle()
    alice.exchange._limits = Limits(pack=5000, chunk=60, inline=10)
    state = alice.save()
    assert said(pair, "alice", "bob") == [Announce(state)]
    bob.todo += bob.exchange.hear("alice", Announce(state), NOW)
    (want,) = said(pair, "bob", "alice")
    assert isinstance(want, Want)
    jobs = alice.exchange.hear("bob", want, NOW)
    assert not any(isinstance(job, MakePack) for job in jobs), "it is made once"
    assert all(isinstance(word, Chunk) and word.state == state for word in said(pair, "alice", "bob"))
    assert not alice.exchange.links["bob"].ready


def test_words_on_the_stream_for_packs_end_the_conversation(pair: World) -> None:
    with pytest.raises(PeerRefused, match="other than packs"):
        pair.members["bob"].exchange.hear_apart("alice", Announce(pair.members["alice"].save()), NOW)


def test_a_pause_passes_through_others_and_is_told_to_who_comes_later() -> None:
    world = row()
    bob, carol = world.members["bob"], world.members["carol"]
    word = bob.exchange.pauses.own(someone("bob"), 5, NOW)
    assert word is not None
    bob.todo += bob.exchange.hear_pauses([word])
    world.settle()
    assert carol.exchange.pauses.known[word.by] == word, "they are not connected with each other"
    world.cut("alice", "carol")
    word = bob.exchange.pauses.own(someone("bob"), 0, NOW)
    assert word is not None
    bob.todo += bob.exchange.hear_pauses([word])
    world.settle()
    world.connect("alice", "carol")
    world.settle()
    assert carol.exchange.pauses.known[word.by] == word
    world.close()
