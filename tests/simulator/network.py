"""Time and the network of a simulation: a virtual clock, and connections that are slow, break and come back."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bough_daemon.sync import wire
from bough_daemon.sync.messages import Message
from bough_proto.v1 import peer_pb2 as pb

if TYPE_CHECKING:
    from tests.simulator.machine import Machine

WINDOW = 6  # words that are on their way in one direction before the writer has to wait
SLOWEST_NOTICE = 15_000  # milliseconds until a side that is not told sees that a connection is gone


class Agenda:
    """What is to happen, in the order of the time (milliseconds) at which it does."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, delay: float, act: Callable[[], None]) -> None:
        """Have something happen in a while."""
        self._count += 1
        heapq.heappush(self._waiting, (self.now + delay, self._count, act))

    def run_until(self, time: float) -> None:
        """Let everything happen that is due by then."""
        while self._waiting and self._waiting[0][0] <= time:
            self.now, _, act = heapq.heappop(self._waiting)
            act()
        self.now = time


@dataclass(eq=False)
class Lane:
    """One stream of a connection, in one direction: words on their way, and when the last of them arrives."""

    on_way: int = 0
    last: float = 0.0


@dataclass(eq=False)
class Side:
    """One machine's side of a connection with the member `peer`, who signs with `key`. `caller`: who called.

    `packs`: the stream beside the words, if both sides have it. `heard`: words taken in. `stranger`: the other is told
    why they are turned away, and no more.
    """

    line: Line
    machine: Machine
    peer: str
    key: bytes
    caller: str
    began: float
    stranger: bool = False
    is_open: bool = True
    words: Lane = field(default_factory=lambda: Lane())
    packs: Lane | None = None
    heard: int = 0

    @property
    def other(self) -> Side:
        """The other machine's side."""
        return self.line.sides[1] if self.line.sides[0] is self else self.line.sides[0]

    def has_room(self, lane: Lane) -> bool:
        """Return whether one more word can be written on a stream."""
        return self.is_open and lane.on_way < WINDOW


@dataclass(eq=False)
class Line:
    """A connection. `latency`: milliseconds that a word takes. `is_cut`: what is written gets nowhere."""

    latency: float
    sides: list[Side] = field(default_factory=list)
    is_cut: bool = False


class Network:
    """Which machine is where, and which lines there are between them."""

    def __init__(self, agenda: Agenda, chance: random.Random, as_bytes: bool) -> None:
        self.agenda = agenda
        self.chance = chance
        self.lines: list[Line] = []
        self.where: dict[str, Machine] = {}
        self.apart: set[frozenset[str]] = set()  # pairs of machines between which nothing gets through, for now
        self.blocked: set[frozenset[str]] = set()  # and those between which nothing ever does
        self.slow: dict[str, float] = {}
        self._as_bytes = as_bytes

    def reaches(self, one: Machine, other: Machine) -> bool:
        """Return whether a word gets from one machine to another, which is on."""
        pair = frozenset((one.label, other.label))
        return other.is_up and pair not in self.apart and pair not in self.blocked

    def new_line(self, one: Machine, other: Machine) -> Line:
        """Return a line between two machines."""
        worst = max(self.slow.get(one.label, 0.0), self.slow.get(other.label, 0.0))
        line = Line(worst or self.chance.uniform(1, 60))
        self.lines.append(line)
        return line

    def write(self, side: Side, word: Message, lane: Lane | None = None) -> None:
        """Put a word on its way; on each stream of a connection they arrive in order."""
        line, jitter, lane = side.line, self.chance.uniform(0.5, 1.5), lane or side.words
        arrives = max(lane.last, self.agenda.now + line.latency * jitter)
        lane.last, lane.on_way = arrives, lane.on_way + 1
        if self._as_bytes:
            word = wire.word(pb.Word.FromString(wire.word_message(word).SerializeToString()))
        self.agenda.after(arrives - self.agenda.now, lambda: self._arrive(side, word, lane))

    def _arrive(self, side: Side, word: Message, lane: Lane) -> None:
        if side.line.is_cut:
            return
        lane.on_way -= 1
        if side.other.is_open:
            side.other.machine.hear(side.other, word, apart=lane is side.packs)
        if side.is_open:
            side.machine.go_on(side)

    def cut(self, line: Line, at_once: bool = False) -> None:
        """Break a connection, with all that is on its way; each side sees it by and by."""
        if line.is_cut:
            return
        line.is_cut = True
        self.lines.remove(line)
        for side in line.sides:
            late = self.chance.random() < 0.15
            seen = 0.0 if at_once else self.chance.uniform(0, SLOWEST_NOTICE if late else 200)
            self.agenda.after(seen, lambda side=side: side.machine.over(side))  # type: ignore[misc]

    def cut_between(self, one: Machine, other: Machine) -> None:
        """Break every connection of two machines."""
        for line in [line for line in self.lines if {side.machine for side in line.sides} == {one, other}]:
            self.cut(line)
