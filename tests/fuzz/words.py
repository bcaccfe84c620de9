"""The words of a conversation: well-typed ones with odd content, signed where that matters, and any bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bough_daemon.budgets import MOST_EARLY
from bough_daemon.errors import PeerRefused
from bough_daemon.store.packs import Limits, Spool
from bough_daemon.sync import wire
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import FindHaves, Job, MakePack, NotTaken, TakePack
from bough_daemon.sync.messages import Chunk, Delivered
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.roster import Roster
from bough_proto.v1 import peer_pb2 as pb
from google.protobuf.message import DecodeError

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone
from tests.fuzz.target import NUMBERS, Drawn, Trial, target

COMMITS = ["", "0" * 40, "1" * 40, "0" * 64, "f" * 64, "HEAD", "--all", "^" + "1" * 40, "é" * 40, "1" * 39, "A" * 40]
NAMES = ["alice", "bob", "carol", "mallory", "", "alice+x", "../x", "HEAD", "a" * 5000, "a\0b", "ü", "1" * 40]
BYTES = [b"", b"\0", b"alice", b"carol", b"main", b"\xff" * 64, b"x" * 5000, b"refs/heads/main", b"PACK" + bytes(40)]
KINDS = ["hello", "gossip", "announce", "held", "refused", "want", "chunk", "reach", "receipt", ""]
KINDS += ["talk_positions", "talk_words", "sharing_pauses", "delivered"]
MOST_WORDS = 200  # of one conversation
MOST_KEPT = 100  # things that a member remembers of the one who says them


class Strange:
    """Make random words that are well-typed. `sign`: makes a state carol's."""

    def __init__(self, chance: random.Random, team: str, sign: Callable[[State], State]) -> None:
        self.chance = chance
        self._team = team
        self._sign = sign

    def word(self) -> pb.Word:
        """Return one."""
        word = pb.Word()
        kind = self.chance.choice(KINDS)
        if kind:
            self._fill(getattr(word, kind))
            if kind in ("announce", "chunk") and self.chance.random() < 0.5:
                getattr(word, kind).state.CopyFrom(wire._state_message(self._sign(self._state())))
        return word

    def _state(self) -> State:
        pick = self.chance.choice
        kind = pick(list(BranchKind))
        branch = b"carol" if kind is BranchKind.LIVE else pick([b"main", b"x/y", b"carol"])
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
        is_small = field.type in (field.TYPE_UINT32, field.TYPE_FIXED32)
        return self.chance.choice(NUMBERS) % (2**32 if is_small else 2**64)


@cache
def _team() -> Roster:
    founded = Roster.found(someone("alice"), "alice", NOW)
    for name in ("bob", "carol"):
        admit(founded, "alice", name)
    return founded


class _Alice:
    """A member who is talking with carol, who says anything, and with bob."""

    def __init__(self) -> None:
        team = _team()
        self.exchange = Exchange("alice", copy_of(team), lambda: Spool(io.BytesIO()), Limits(5000, 60, 100))
        self.mine = State(team.team, Key("alice", BranchKind.LIVE, b"alice"), 3, "1" * 40, "2" * 40, NOW)
        self.mine = self.mine.signed(someone("alice"))
        self.exchange.publish(self.mine)
        for peer in ("carol", "bob"):
            self.exchange.connected(peer, carried_apart=True)

    def hear(self, message: bytes, chance: random.Random) -> bool:
        """Hear what carol says and do what follows; return whether she was not refused."""
        try:
            word = wire.word(pb.Word.FromString(message))
            if isinstance(word, Delivered):
                self.exchange.hear_delivered("carol", word, 1.0)
            is_apart = isinstance(word, Chunk) and chance.random() < 0.5
            hear = self.exchange.hear_apart if is_apart else self.exchange.hear
            jobs = hear("carol", word, NOW)
        except (PeerRefused, DecodeError):
            return False
        for job in jobs:
            self._do(job, chance)
        for peer in ("bob", "carol"):
            while self.exchange.next_word(peer) is not None or self.exchange.next_chunk(peer, 1.0) is not None:
                pass
        return True

    def _do(self, job: Job, chance: random.Random) -> None:
        match job:
            case FindHaves():
                self.exchange.ask(job, ("1" * 40,), ())
            case TakePack():
                self.exchange.pack_taken(job, None if chance.random() < 0.1 else NotTaken("no"))
            case MakePack():
                made = None if chance.random() < 0.5 else (Spool(io.BytesIO(b"x" * 10)), "p")
                self.exchange.pack_made(job, made)

    def check(self) -> None:
        """Check that what is hers is as it was, and that little is remembered."""
        link = self.exchange.links["carol"]
        assert self.exchange.known[self.mine.key] == self.mine
        kept = (link.holds, link.owed, link.answers, link.incoming, link.unable, link.declined)
        assert sum(map(len, kept)) < MOST_KEPT and len(link.early) <= MOST_EARLY
        assert {"alice", "bob", "carol"} <= self.exchange.roster.members.keys()


def _seeds() -> list[bytes]:
    made = [b"\0" + random.Random(seed).randbytes(4000) for seed in range(8)]
    strange = Strange(random.Random(1), _team().team, lambda state: state.signed(someone("carol")))
    return [*made, *(b"\1" + strange.word().SerializeToString() for _ in range(20))]


@target(PeerRefused, short=120)
def words(folder: Path) -> Iterator[Trial]:
    """Let a member hear a conversation: the first byte says whether it is drawn, or one message as it is."""

    def attempt(data: bytes) -> None:
        alice, drawn = _Alice(), Drawn(data)
        try:
            if drawn.take(1)[0] & 1:
                if not alice.hear(drawn.rest(), random.Random(1)):
                    raise PeerRefused("it is no word")
                return
            strange = Strange(drawn, _team().team, lambda state: state.signed(someone("carol")))
            for _ in range(MOST_WORDS):
                alice.hear(strange.word().SerializeToString(), drawn)
                if drawn.is_used_up:
                    break
        finally:
            alice.check()
            alice.exchange.close()

    yield Trial(attempt, _seeds(), [name.encode() for name in (*NAMES, *COMMITS) if len(name) < 100])
