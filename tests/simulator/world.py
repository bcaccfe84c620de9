"""A simulated team: its machines, what happens to them, and how all of it is healed in the end."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from bough_daemon.errors import BoughError
from bough_daemon.sync import wire
from bough_daemon.sync.joining import welcome
from bough_daemon.sync.messages import Announce, Chunk, Gossip, Held, Message, Refused, Want
from bough_daemon.team.roster import Admission, Roster, team_id_of

from tests.simulator.hostile import Hostile
from tests.simulator.machine import Machine
from tests.simulator.model_store import ModelStore
from tests.simulator.network import Agenda, Network, Side
from tests.simulator.oracle import Harm, Oracle, recognise, told
from tests.simulator.product import EPOCH, Surroundings, person
from tests.simulator.script import Step, Weather

NAMES = "alice bob carol dave erin frank grace heidi ivan judy".split()
SLICE, LONGEST_HEALING = 5_000.0, 240_000.0  # milliseconds
FOUND = 45_000.0  # until machines that have lost each other's addresses are found on the local network


class SimulatedTeam:
    """Everything that there is in one simulation. `trace`: what happened, if it is wanted."""

    def __init__(self, seed: int, weather: Weather, trace: deque[str] | None = None) -> None:
        self.chance = random.Random(seed + 1)
        self.weather = weather
        self.mishaps = weather.mishaps
        self.around = Surroundings()
        self.agenda = Agenda()
        self.network = Network(self.agenda, self.chance, weather.as_bytes)
        self.hostile = Hostile(self)
        self.oracle = Oracle(self)
        self.machines: list[Machine] = []
        self.trace = trace
        self._backups: dict[str, tuple[dict[str, bytes], ModelStore, str]] = {}
        self._numbers = 0
        self._origin = ModelStore()
        self._origin.commit([], "the first commit of the repository")
        self.team_id_of = team_id_of

    def number(self) -> int:
        """Return a number that was not used before."""
        self._numbers += 1
        return self._numbers

    def time_on(self, machine: Machine) -> int:
        """Return the time on a machine's clock."""
        return EPOCH + int(self.agenda.now) + machine.skew

    def name_of_pack(self, data: bytes) -> str:
        """Return what a pack is called: by what is in it."""
        return hashlib.sha1(data).hexdigest()

    # What is told.

    def tell(self, text: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.agenda.now / 1000:9.3f}  {text}")

    def tell_word(self, side: Side, word: Message) -> None:
        """Add to the trace what a machine hears."""
        if self.trace is not None:
            self.tell(f"{side.other.machine.label} → {side.machine.label}: {told_word(word)}")

    def write(self, side: Side, word: Message) -> None:
        """Put a word on its way."""
        self.network.write(side, word)

    # The team.

    def run(self) -> None:
        """Let everything happen, heal it, and see that all is well; raise Harm."""
        with self.around.installed():
            self._begin()
            for step in self.weather.steps:
                self.agenda.run_until(max(step.at, self.agenda.now))
                self._do(step)
            self.agenda.run_until(self.agenda.now + self.chance.choice((0, 100, 5_000)))
            self._heal()

    def _new(self, name: str) -> Machine:
        count = sum(one.wished == name for one in self.machines)
        label = name + "'" * count
        machine = Machine(self, label, person(label), name, self._origin.copy())
        machine.skew = self.chance.choice((0, 0, self.chance.randint(-90_000, 90_000)))
        self.machines.append(machine)
        self.network.where[machine.address] = machine
        return machine

    def _name(self) -> str:
        count = len({one.wished for one in self.machines})
        return NAMES[count] if count < len(NAMES) else f"member{count}"

    def _begin(self) -> None:
        self._new(NAMES[0]).found()
        while len(self.machines) < self.weather.members:
            admitter = self.chance.choice(self.machines)
            self._join(self._new(self._name()), admitter)
        if self.weather.is_hostile:
            mallory = self.chance.choice(self.machines[1:])
            mallory.is_hostile, mallory.spoils_packs = True, self.chance.random() < 0.5
            self.tell(f"{mallory.label} is hostile" + (" and spoils packs" if mallory.spoils_packs else ""))
        if self.weather.blocked:
            self._settle(20_000)
        self._block()
        self.agenda.run_until(self.agenda.now + self.chance.choice((0, 3_000, 20_000)))

    def _block(self) -> None:
        """Keep some pairs apart for good, but so that all are still connected through others."""
        order = self.chance.sample(self.machines, len(self.machines))
        for number, machine in enumerate(order[1:], 1):
            joined = self.chance.randrange(number)
            for other in order[:number]:
                if other is not order[joined] and self.chance.random() < self.weather.blocked:
                    self.network.blocked.add(frozenset((machine.label, other.label)))
                    self.network.cut_between(machine, other)

    def _join(self, machine: Machine, admitter: Machine, answer_is_lost: bool = False) -> bool:
        """Have a machine join by a ticket, as the product has it; return whether it is in."""
        if not admitter.is_in:
            return False
        me, entries = machine.identity, list[Admission]()

        def let_in() -> None:
            with suppress(BoughError):
                by, now = admitter.identity, admitter.now
                entries.append(admitter.roster.admit(by, machine.wished, me.key, me.certificate, me.vouch, now))
                admitter.admitted(entries[0])

        admitter.turn(let_in)
        if not entries or answer_is_lost:
            self.tell(f"{machine.label} does not get in by {admitter.label}")
            return False
        self.tell(f"{machine.label} joins by {admitter.label}")
        self.around.now = self.time_on(admitter)
        said = wire.gossip(welcome(admitter.roster, admitter.identity.key).welcome)
        self.around.now = self.time_on(machine)
        roster = Roster(admitter.roster.team)
        roster.enter(said.admissions, said.contacts, said.removals, me.key, machine.now)
        machine.enter(roster)
        return True

    def crash(self, machine: Machine) -> None:
        """End a machine in this moment, to be on again in a while."""
        machine.stop()
        self.agenda.after(self.chance.choice((100, 5_000, 40_000)), partial(self._start, machine))

    def _start(self, machine: Machine) -> None:
        if not machine.is_up and not machine.is_copy and machine.folder in self.around.files:
            self.tell(f"{machine.label} starts")
            machine.start()

    # What happens.

    def _do(self, step: Step) -> None:
        machine = self.machines[step.who % len(self.machines)]
        other = self.machines[step.other % len(self.machines)]
        act = getattr(self, "_" + step.kind.replace(" ", "_"))
        if machine.is_up or step.kind == "restore":
            self.tell(f"— step {step.number}: {step.kind} ({machine.label}, {other.label})")
            act(step, machine, other)

    def _save(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.turn(machine.save)

    def _save_elsewhere(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.turn(lambda: machine.save("+tree"))

    def _merge(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.turn(lambda: machine.save(merge=other.wished))

    def _land(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.turn(machine.land)

    def _cut(self, step: Step, machine: Machine, other: Machine) -> None:
        self.network.cut_between(machine, other)

    def _partition(self, step: Step, machine: Machine, other: Machine) -> None:
        one = {each.label for each in self.machines if self.chance.random() < 0.5} | {machine.label}
        rest = {each.label for each in self.machines} - one
        pairs = {frozenset((here, there)) for here in one for there in rest}
        self.tell(f"{', '.join(sorted(one))} are cut off from the others")
        self.network.apart |= pairs
        for line in list(self.network.lines):
            if frozenset(side.machine.label for side in line.sides) in pairs:
                self.network.cut(line)
        self.agenda.after(step.amount * 60_000, lambda: self.network.apart.difference_update(pairs))

    def _slow(self, step: Step, machine: Machine, other: Machine) -> None:
        self.network.slow[machine.label] = 200 + 2_000 * step.amount
        for line in self.network.lines:
            if machine in [side.machine for side in line.sides]:
                line.latency = self.network.slow[machine.label]

    def _crash(self, step: Step, machine: Machine, other: Machine) -> None:
        self.crash(machine)

    def _die_after_writing(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.dies_after_writing = True
        machine.turn(machine.save)

    def _skew(self, step: Step, machine: Machine, other: Machine) -> None:
        # Not over the minutes in which it is settled who has a name, where two have the same one.
        has_rivals = any(one.kind == "rivals" for one in self.weather.steps)
        jump = self.chance.choice((10_000, 300_000, 300_000 if has_rivals else 86_400_000))
        machine.skew += int((step.amount - 0.6) * jump)

    def _move(self, step: Step, machine: Machine, other: Machine) -> None:
        del self.network.where[machine.address]
        address = f"{machine.host}:{2 + self.number()}"
        self.network.where[address] = machine
        machine.turn(lambda: machine.move(address))

    def _join_in(self, step: Step, machine: Machine, other: Machine) -> None:
        new = self._new(self._name())
        self._join(new, machine, answer_is_lost=step.amount < 0.2)
        if not new.is_up:
            self.agenda.after(2_000, lambda: self._ask_again(new, other))

    def _ask_again(self, machine: Machine, admitter: Machine) -> None:
        if not machine.is_up:
            self._join(machine, admitter)

    def _rivals(self, step: Step, machine: Machine, other: Machine) -> None:
        # Of two by admitters who are as near to the founder, each machine keeps the one that it has heard of first.
        if other.is_up and machine.steps != other.steps:
            name = self._name()
            self._join(self._new(name), machine)
            self._join(self._new(name), other)

    def _leave(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.turn(machine.leave)

    def _remove(self, step: Step, machine: Machine, other: Machine) -> None:
        def act() -> None:
            machine.remove(other.wished, with_invited=step.amount < 0.3, restore=0.2 < step.amount < 0.5)

        if machine is not other and not machine.is_hostile:
            machine.turn(act)

    def _remove_each_other(self, step: Step, machine: Machine, other: Machine) -> None:
        self._remove(step, machine, other)
        self._remove(step, other, machine)

    def _back_up(self, step: Step, machine: Machine, other: Machine) -> None:
        self._backups[machine.label] = dict(self.around.files[machine.folder]), machine.store.copy(), machine.base

    def _restore(self, step: Step, machine: Machine, other: Machine) -> None:
        if machine.label in self._backups:
            if machine.is_up:
                machine.stop()
            files, store, machine.base = self._backups[machine.label]
            self.around.files[machine.folder], machine.store = dict(files), store.copy()
            self.oracle.forgetful.add(machine.identity.key)
            self._start(machine)

    def _double(self, step: Step, machine: Machine, other: Machine) -> None:
        copied = Machine(self, f"{machine.label}²", machine.identity, machine.wished, machine.store.copy())
        copied.is_copy, copied.base = True, machine.base
        for pair in [pair for pair in self.network.blocked if machine.label in pair]:
            self.network.blocked.add(frozenset((pair - {machine.label}) | {copied.label}))
        self.oracle.forgetful.add(machine.identity.key)
        self.around.files[copied.folder] = dict(self.around.files[machine.folder])
        self.machines.append(copied)
        self.network.where[copied.address] = copied
        copied.start()

    def _purge(self, step: Step, machine: Machine, other: Machine) -> None:
        if not machine.exchange.is_out:
            ids = [hashlib.sha1(f"blob {self.number()}".encode()).hexdigest()]
            machine.turn(lambda: machine.purge(ids))

    def _full_disk(self, step: Step, machine: Machine, other: Machine) -> None:
        machine.is_full = True
        self.agenda.after(step.amount * 30_000, lambda: setattr(machine, "is_full", False))

    def _trick(self, step: Step, machine: Machine, other: Machine) -> None:
        for mallory in [one for one in self.machines if one.is_hostile and one.is_up]:
            victim = other if other.is_up and other is not mallory else self.machines[0]
            if victim.is_up and victim is not mallory:
                mallory.turn(lambda: self.hostile.play(mallory, victim, step.amount))

    # In the end.

    def _heal(self) -> None:
        """Have everyone on and connected, and wait until all is well; raise Harm that says what is not."""
        self.tell("— everything is healed")
        self.mishaps = 0.0
        self.network.apart.clear()
        self.network.slow.clear()
        for line in self.network.lines:
            line.latency = min(line.latency, 60)
        for machine in list(self.machines):
            machine.is_full = machine.dies_after_writing = False
            if machine.is_copy and machine.is_up:
                machine.stop()
        self._restart()
        if self._settle(FOUND):
            self._restart()
            self._unblock()
            problems = self._settle(LONGEST_HEALING, self._find)
            if problems:
                raise Harm("; ".join(problems[:4]))

    def _restart(self) -> None:
        """Start what is off, and again what has seen another machine with its key, which is gone by now."""
        for machine in list(self.machines):
            if machine.is_up and machine.doubled:
                machine.stop()
                # By a clock that is past what the other one has signed.
                machine.skew = max(one.skew for one in self.machines if one.identity is machine.identity)
            self._start(machine)

    def _find(self) -> None:
        """Have those who are on find each other where they are now, as on a local network.

        Who has seen a copy of theirs only now, in what others know, starts again as well: the copy is gone.
        """
        self._restart()
        for machine in [machine for machine in self.machines if machine.is_up]:
            machine.turn(machine.find_everyone)

    def _settle(self, longest: float, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """Let time go by until all is well, and return what is not after the longest time."""
        ends, problems = self.agenda.now + longest, [""]
        while problems and self.agenda.now < ends:
            meanwhile()
            self.agenda.run_until(self.agenda.now + SLICE)
            problems = list(self.oracle.problems())
        return problems

    def _unblock(self) -> None:
        """Let those reach each other who have nobody in common, and be found at their new addresses."""
        self.tell("— those who have lost each other are found")
        ups = [machine for machine in self.machines if machine.is_up]
        if not self._is_one([machine for machine in ups if machine.is_in]):
            self.network.blocked.clear()
        for pair in list(self.network.blocked):
            ends = [machine for machine in ups if machine.label in pair]
            if not all(machine.is_in and self._is_known(machine, ups) for machine in ends):
                self.network.blocked.discard(pair)

    def _is_one(self, machines: list[Machine]) -> bool:
        """Return whether words get from each of some machines to each other one, through these alone."""
        found, waiting = set[Machine](), machines[:1]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting += [
                    one
                    for one in machines
                    if self.network.reaches(at, one) and recognise(at, one) and recognise(one, at)
                ]
        return len(found) == len(machines)

    def _is_known(self, machine: Machine, ups: list[Machine]) -> bool:
        return all(one.roster.by_key(machine.identity.key) is not None for one in ups)


def told_word(word: Message) -> str:
    """Return a word as a person reads it."""
    match word:
        case Announce(state):
            return f"I hold {told(state)}"
        case Chunk(state, _, offset, total, data):
            return f"bytes {offset} to {offset + len(data)} of {total} for {told(state)}"
        case Want(key, sequence, haves, _, _, offset):
            rest = f" from byte {offset}" if offset else ""
            return f"send me {key.branch_name} #{sequence} beyond {len(haves)} commits{rest}"
        case Held(key, sequence):
            return f"I have {key.branch_name} #{sequence}"
        case Refused(key, sequence, reason, _):
            return f"not {key.branch_name} #{sequence}: {reason}"
        case Gossip(admissions, contacts, removals, purges, answers):
            said = {
                "admissions": [one.name for one in admissions],
                "addresses": [", ".join(one.addresses) for one in contacts],
                "removals": [one.key.hex()[:6] for one in removals],
                "purges": [one.digest.hex()[:6] for one in purges],
                "answers": [f"{one.purge.hex()[:6]} {one.outcome.name}" for one in answers],
            }
            return "; ".join(f"{what}: {', '.join(names)}" for what, names in said.items() if names)
    return str(word)
