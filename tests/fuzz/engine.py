"""Try inputs on a target: those that Atheris makes, or random changes of the seeds."""

from __future__ import annotations

import random
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from tests.fuzz.target import FuzzTarget, Trial

SECONDS = 20.0  # for one input, on a machine that does other things as well
GROWTH_KIB = 512 << 10  # of the process, from the seeds on: no budget lets a peer have more
LONGEST = 16 << 10  # bytes of an input
INTERESTING = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\n", b" ", b"/", b"..", b"\xff" * 8, b"\x7f" + b"\xff" * 7]


class TooSlow(BaseException):
    """An input took longer than it may; no `except Exception` of the product's keeps it."""


class MemoryGrew(Exception):
    """The process has grown more than it may."""


class Mutator:
    """Make inputs from seeds; the same seed of chance makes the same ones."""

    def __init__(self, chance: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
        self._chance = chance
        self._pool = [*seeds, b""]
        self._words = [*INTERESTING, *words]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pool
        while True:
            yield self._next()

    def _next(self) -> bytes:
        if self._chance.random() < 0.2:
            return self._chance.randbytes(self._chance.choice([8, 64, 512, 4096]))
        data = bytearray(self._chance.choice(self._pool))
        for _ in range(self._chance.choice([1, 1, 2, 4, 16])):
            self._chance.choice(self._changes)(self, data)
        if self._chance.random() < 0.01:
            self._pool.append(bytes(data[:LONGEST]))
        return bytes(data[:LONGEST])

    def _place(self, data: bytearray) -> int:
        return self._chance.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)

    def _remove(self, data: bytearray) -> None:
        at = self._place(data)
        del data[at : at + self._chance.choice([1, 2, 4, 32])]

    def _repeat(self, data: bytearray) -> None:
        at = self._place(data)
        piece = data[at : at + self._chance.choice([1, 4, 32])]
        data[at:at] = piece * self._chance.choice([1, 2, 200])

    def _put(self, data: bytearray) -> None:
        at, word = self._place(data), self._chance.choice(self._words)
        data[at : at + self._chance.choice([0, len(word)])] = word

    def _junk(self, data: bytearray) -> None:
        at, piece = self._place(data), self._chance.randbytes(self._chance.choice([1, 2, 8]))
        data[at : at + self._chance.choice([0, len(piece)])] = piece

    def _splice(self, data: bytearray) -> None:
        other = self._chance.choice(self._pool)
        data[self._place(data) :] = other[self._chance.randrange(len(other) + 1) :]

    _changes: Sequence[Callable[[Mutator, bytearray], None]] = (_flip, _remove, _repeat, _put, _junk, _splice)


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise TooSlow in what takes longer; in the main thread alone, as signals arrive there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"it took longer than {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Watch:
    """Try inputs within the limits. `taken`, `refused`: how many were."""

    def __init__(self, target: FuzzTarget, trial: Trial) -> None:
        self.target = target
        self.trial = trial
        self.taken = self.refused = 0
        self._began_at: int | None = None

    def attempt(self, data: bytes) -> None:
        """Try one; raise what should not have been raised, TooSlow or MemoryGrew."""
        with in_time(SECONDS):
            taken = self.target.accepts(self.trial.attempt, data)
        self.taken += taken
        self.refused += not taken
        if self.taken + self.refused == max(20, len(self.trial.seeds)):
            self._began_at = _peak_kib()
        elif self._began_at is not None and _peak_kib() - self._began_at > GROWTH_KIB:
            raise MemoryGrew(f"the process has grown by {(_peak_kib() - self._began_at) >> 10} MiB")


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> 10 if sys.platform == "darwin" else peak
