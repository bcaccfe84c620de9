"""No word of a member's, however strange, does more than be refused.

The long form is `pytest --hypothesis-profile=long --timeout=0 tests/attack/test_words.py`: many more words, from other
seeds each time.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from bough_daemon import peer_wire
from bough_daemon.errors import PeerRefused
from bough_daemon.jobs import FindHaves, Job, MakePack, NotTaken, TakePack
from bough_daemon.packs import Limits, Spool
from bough_daemon.peer import Exchange
from bough_daemon.roster import Roster
from bough_daemon.states import Key, Kind, State
from bough_daemon.words import Announce, Held, Hello
from bough_proto.v1 import peer_pb2 as pb
from hypothesis import settings

from tests.attack.honest import Pair, check_alive, live_pair
from tests.attack.mallory import Mallory, invited
from tests.cli.conftest import Member
from tests.daemon.support import git
from tests.daemon.test_roster import NOW, admit, copy_of, someone

NUMBERS = [0, 1, 2, 255, 2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
COMMITS = ["", "0" * 40, "1" * 40, "0" * 64, "f" * 64, "HEAD", "--all", "^" + "1" * 40, "é" * 40, "1" * 39, "A" * 40]
NAMES = ["alice", "bob", "carol", "mallory", "", "alice+x", "../x", "HEAD", "a" * 5000, "a\0b", "ü", "1" * 40]
BYTES = [b"", b"\0", b"alice", b"carol", b"main", b"\xff" * 64, b"x" * 5000, b"refs/heads/main", b"PACK" + bytes(40)]
ROUNDS = 3000
LONG = settings.get_current_profile_name() == "long"
SEEDS = [random.randrange(2**32) for _ in range(1000)] if LONG else range(3)


class Strange:
    """Make random words that are well-typed; the same seed makes the same ones. `sign`: makes a state carol's."""

    def __init__(self, seed: int, team: str, sign: Callable[[State], State]) -> None:
        self.chance = random.Random(seed)
        self._team = team
        self._sign = sign

    def word(self) -> pb.Word:
        """Return one."""
        word = pb.Word()
        kind = self.chance.choice(["hello", "gossip", "announce", "held", "refused", "want", "chunk", ""])
        if kind:
            self._fill(getattr(word, kind))
            if kind in ("announce", "chunk") and self.chance.random() < 0.5:
                getattr(word, kind).state.CopyFrom(peer_wire._state_message(self._sign(self._state())))
        return word

    def _state(self) -> State:
        pick = self.chance.choice
        kind = pick(list(Kind))
        branch = b"carol" if kind is Kind.LIVE else pick([b"main", b"x/y", b"carol"])
        sequence, time = pick(NUMBERS[:-2]), pick(NUMBERS[:-2])
        return State(self._team, Key("carol", kind, branch), sequence, pick(COMMITS), pick(COMMITS), time)

    def _fill(self, message: Any) -> None:
        for field in message.DESCRIPTOR.fields:
            value = getattr(message, field.name)
            if field.message_type is None and field.is_repeated:
                value.extend(self._value(field) for _ in range(self.chance.choice([0, 1, 2, 300])))
            elif field.message_type is None:
                setattr(message, field.name, self._value(field))
            elif field.is_repeated:
                for _ in range(self.chance.randrange(3)):
                    self._fill(value.add())
            else:
                value.SetInParent()
                self._fill(value)

    def _value(self, field: Any) -> object:
        if field.type == field.TYPE_STRING:
            return self.chance.choice([self._team, *COMMITS, *NAMES])
        if field.type == field.TYPE_BYTES:
            return self.chance.choice(BYTES)
        if field.type == field.TYPE_BOOL:
            return self.chance.random() < 0.5
        if field.type == field.TYPE_ENUM:
            return self.chance.choice([0, 1, 2, 7])
        return self.chance.choice(NUMBERS) % (2**32 if field.type == field.TYPE_UINT32 else 2**64)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_words_raise_nothing_but_a_refusal(seed: int) -> None:
    founded = Roster.found(someone("alice"), "alice", NOW)
    for name in ("bob", "carol"):
        admit(founded, "alice", name)
    alice = Exchange("alice", copy_of(founded), lambda: Spool(io.BytesIO()), Limits(5000, 60, 100))
    key = Key("alice", Kind.LIVE, b"alice")
    mine = State(founded.team, key, 3, "1" * 40, "2" * 40, NOW).signed(someone("alice"))
    alice.publish(mine)
    strange = Strange(seed, founded.team, lambda state: state.signed(someone("carol")))
    alice.connected("carol")
    alice.connected("bob")
    for _ in range(ROUNDS):
        try:
            jobs = alice.hear("carol", peer_wire.word(pb.Word.FromString(strange.word().SerializeToString())), NOW)
        except PeerRefused:
            continue
        _perform(alice, jobs, strange.chance)
    link = alice.links["carol"]
    assert alice.known[key] == mine
    assert sum(map(len, (link.holds, link.owed, link.answers, link.incoming, link.unable, link.declined))) < 100
    alice.close()


def _perform(alice: Exchange, jobs: list[Job], chance: random.Random) -> None:
    for job in jobs:
        match job:
            case FindHaves():
                alice.ask(job, ("1" * 40,), ())
            case TakePack():
                alice.pack_taken(job, None if chance.random() < 0.1 else NotTaken("no"))
            case MakePack():
                alice.pack_made(job, None if chance.random() < 0.5 else (Spool(io.BytesIO(b"x" * 10)), "p"))
    for peer in ("bob", "carol"):
        while alice.next_word(peer) is not None:
            pass


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two honest members of one team, both live."""
    return live_pair(members("alice"), members("bob"))


async def say_until_it_ends(mallory: Mallory, strange: Strange) -> None:
    """Say random words to alice until she ends the conversation."""
    try:
        async with mallory.calls("alice") as talk:
            for _ in range(200):
                await talk.say_raw(strange.word())
            await talk.hears(Hello)
    except (AssertionError, grpc.RpcError, asyncio.InvalidStateError):
        pass  # she has refused to go on


def test_strange_words_end_no_conversation_but_the_one_that_they_are_said_in(pair: Pair, tmp_path: Path) -> None:
    async def attack() -> str:
        mallory = await invited(pair[0], tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        async with mallory.calls("alice") as talk:
            for commit in COMMITS:
                want = pb.Want(key=pb.StateKey(member="alice", kind=1, branch=b"alice"), haves=[commit] * 10)
                want.shallow.append(commit)
                await talk.say_raw(pb.Word(want=want))
                await talk.say(Announce(mallory.state(commit, head, kind=Kind.LANDED, branch=b"main")))
            answer = await talk.offer(mallory.state(head), await mallory.pack([]))
            assert isinstance(answer, Held), answer
        signed = mallory.identity
        strange = Strange(7, mallory.roster.team, lambda state: state.signed(signed))
        for _ in range(20):
            await say_until_it_ends(mallory, strange)
        async with mallory.calls("alice") as talk:
            await talk.say_raw(pb.Word(held=pb.Held(key=pb.StateKey(member="x" * 1000, kind=1))))
            return await talk.ends()

    assert "too long a name" in asyncio.run(attack())
    assert not [one for one in pair[0].told("status")["failing"] if not one["recovered"]]
    check_alive(pair)
