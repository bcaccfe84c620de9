"""Members who do what they may not: everything that they say is to be refused, and to harm nobody else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from bough_daemon.sync.messages import Announce, Chunk, Gossip, Held, Message, Refused, Want
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch

from tests.simulator.model_store import ModelStore
from tests.simulator.product import person

if TYPE_CHECKING:
    from tests.simulator.machine import Machine
    from tests.simulator.world import SimulatedTeam

FAR = 1000  # how far above the newest a forged number is


def _oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


class Hostile:
    """The tricks of hostile members, and what they need for them. `branches`: that they have invented."""

    def __init__(self, world: SimulatedTeam) -> None:
        self._world = world
        self.branches = 0
        self._tricks: list[Callable[[Machine, Machine], None]] = [
            self._forge,
            self._alter,
            self._replay,
            self._fork,
            self._promise,
            self._other_team,
            self._take_over_branch,
            self._invent_words,
            self._invent_gossip,
            self._speak_for_the_removed,
            self._lie_about_holding,
            self._move_aside,
        ]

    def play(self, machine: Machine, victim: Machine, choice: float) -> None:
        """Have a hostile member try one of their tricks on everyone they are connected with."""
        if machine.is_in:
            trick = self._tricks[int(choice * len(self._tricks))]
            self._world.tell(f"{machine.label} tries to {trick.__name__.strip('_').replace('_', ' ')}")
            trick(machine, victim)

    def spoilt_pack(self, store: ModelStore, tips: Iterable[str]) -> bytes:
        """Return a pack that is not what it is said to be."""
        rows = json.loads(store.pack(tips, ()))
        match self._world.chance.randrange(4):
            case 0:
                rows = dict(list(rows.items())[1:])
            case 1:
                rows = {oid: [*row[:-1], "altered"] for oid, row in rows.items()}
            case 2:
                rows = {oid: [oid, *row[1:]] for oid, row in rows.items()}
            case 3:
                return b"\0" * 40
        return json.dumps(rows).encode()

    def _say(self, machine: Machine, *words: Message) -> None:
        for side in list(machine.sides.values()):
            for word in words:
                self._world.write(side, word)

    def _newest(self, victim: Machine) -> State | None:
        theirs = [one for one in self._world.oracle.states if one.key.member == victim.exchange.member]
        return theirs[-1] if theirs else None

    def _own(self, machine: Machine, note: str, branch: bytes | None = None) -> State:
        """Return the next state of a hostile member, not signed yet, whose tip nobody has."""
        key = Key(machine.exchange.member, BranchKind.LIVE, branch or machine.exchange.member.encode())
        known = machine.exchange.known.get(key)
        number = known.sequence + 1 if known is not None else 1
        tip = _oid(f"{machine.label} {note} {self._world.number()}")
        return State(machine.roster.team, key, number, tip, tip, machine.now)

    def _forge(self, machine: Machine, victim: Machine) -> None:
        newest = self._newest(victim)
        if newest is not None:
            forged = replace(newest, sequence=newest.sequence + FAR, time=machine.now).signed(machine.identity)
            data = machine.store.pack([forged.tip, forged.base], ())
            self._say(machine, Announce(forged), Chunk(forged, "forged", 0, len(data), data))

    def _alter(self, machine: Machine, victim: Machine) -> None:
        newest = self._newest(victim)
        if newest is not None:
            tip = machine.store.commit([machine.base], "altered")
            for altered in (replace(newest, sequence=newest.sequence + FAR), replace(newest, tip=tip)):
                data = machine.store.pack([tip], ())
                self._say(machine, Announce(altered), Chunk(altered, "altered", 0, len(data), data))

    def _replay(self, machine: Machine, victim: Machine) -> None:
        states = [one for one in self._world.oracle.states if one.tip in machine.store.commits]
        for state in self._world.chance.sample(states, min(6, len(states))):
            data = machine.store.pack([state.tip, state.base], ())
            self._say(machine, Chunk(state, "replayed", 0, len(data), data), Announce(state))

    def _fork(self, machine: Machine, victim: Machine) -> None:
        number = self._own(machine, "fork").sequence
        for side in list(machine.sides.values()):
            tip = machine.store.commit([machine.base], f"fork {self._world.number()}")
            state = replace(self._own(machine, ""), sequence=number, tip=tip, base=machine.base)
            state = state.signed(machine.identity)
            self._world.oracle.signed(machine, state)
            data = machine.store.pack([tip], ())
            self._world.write(side, Announce(state))
            self._world.write(side, Chunk(state, "fork", 0, len(data), data))

    def _promise(self, machine: Machine, victim: Machine) -> None:
        state = self._own(machine, "nothing").signed(machine.identity)
        self._world.oracle.signed(machine, state)
        self._say(machine, Announce(state))

    def _other_team(self, machine: Machine, victim: Machine) -> None:
        state = replace(self._own(machine, "elsewhere"), team="ab" * 16).signed(machine.identity)
        self._say(machine, Announce(state))

    def _take_over_branch(self, machine: Machine, victim: Machine) -> None:
        state = self._own(machine, "mine", victim.exchange.member.encode()).signed(machine.identity)
        self._say(machine, Announce(state), Chunk(state, "mine", 0, 4, b"data"))

    def _invent_words(self, machine: Machine, victim: Machine) -> None:
        keys = [Key(victim.exchange.member, BranchKind.LANDED, b"b%d" % self._world.number()) for _ in range(20)]
        self.branches += len(keys)
        for key in keys:
            self._say(machine, Want(key, 1), Held(key, 1 << 40), Refused(key, 1 << 40, "no"))

    def _lie_about_holding(self, machine: Machine, victim: Machine) -> None:
        for key, state in list(machine.exchange.known.items()):
            self._say(machine, Held(key, state.sequence + FAR), Refused(key, state.sequence, "\x1b[2J no"))
            self._say(machine, Want(key, state.sequence, (_oid("x"),), (state.tip,), "p", 1 << 40))

    def _move_aside(self, machine: Machine, victim: Machine) -> None:
        for state in self._world.chance.sample(self._world.oracle.states, min(4, len(self._world.oracle.states))):
            self._say(machine, Announce(state.as_aside()))

    def _invent_gossip(self, machine: Machine, victim: Machine) -> None:
        me, roster, time = machine.identity, machine.roster, machine.now + FAR
        contact = Contact(victim.identity.key, (machine.address,), time)
        contact = replace(contact, signature=me.sign(contact.statement(roster.team)))
        removal = replace(Removal(victim.identity.key, victim.identity.key, time).signed(roster.team, me))
        stranger = person("stranger")
        admission = Admission(
            "stranger", stranger.key, stranger.certificate, stranger.vouch, victim.identity.key, time, b""
        )
        admission = replace(admission, signature=me.sign(admission.statement(roster.team)))
        ids = [_oid(f"blob {number}") for number in range(3)]
        purge = replace(Purge.of(ids, roster.team, me, time), by=victim.identity.key)
        asked = list(machine.exchange.purges.known.values())
        answers = [
            PurgeAnswer(one.digest, victim.identity.key, PurgeOutcome.IN_GIT, time).signed(roster.team, me)
            for one in asked
        ]
        vouch = Vouch(victim.identity.key, me.key, stranger.key, time).signed(roster.team, me)
        vouches = (vouch, *(replace(vouch, by=one.key) for one in roster.members.values()))
        self._say(machine, Gossip((admission,), (contact,), (removal,), (purge,), tuple(answers), vouches=vouches))

    def _speak_for_the_removed(self, machine: Machine, victim: Machine) -> None:
        for gone in [one for one in self._world.machines if one.is_up and one.exchange.is_out]:
            name = gone.exchange.member
            tip = gone.store.commit([gone.base], f"after the removal {self._world.number()}")
            key = Key(name, BranchKind.LIVE, name.encode())
            state = State(machine.roster.team, key, FAR + self._world.number(), tip, gone.base, gone.now)
            state = state.signed(gone.identity)
            self._world.oracle.signed(gone, state)
            data = gone.store.pack([tip], ())
            self._say(machine, Announce(state), Chunk(state, "gone", 0, len(data), data))
