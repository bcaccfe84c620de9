"""What a target is: a way to try bytes, the refusals that are right, and what to begin with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

Try = Callable[[bytes], object]
NUMBERS = [0, 1, 2, 255, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


@dataclass(frozen=True)
class Trial:
    """How to try bytes. `seeds`: what to begin with; `words`: what is worth putting somewhere into it."""

    attempt: Try
    seeds: Sequence[bytes] = (b"",)
    words: Sequence[bytes] = ()


@dataclass(frozen=True)
class FuzzTarget:
    """Something that parses. `opened` makes a trial in a folder; `refusals`: what an attempt may raise.

    `short`: how many inputs the short form tries.
    """

    name: str
    opened: Callable[[Path], AbstractContextManager[Trial]]
    refusals: tuple[type[BaseException], ...]
    short: int

    def accepts(self, attempt: Try, data: bytes) -> bool:
        """Try bytes; return whether they were taken, and not refused."""
        try:
            attempt(data)
        except self.refusals:
            return False
        return True


TARGETS: dict[str, FuzzTarget] = {}


def target(
    *refusals: type[BaseException], short: int = 300
) -> Callable[[Callable[[Path], Iterator[Trial]]], Callable[[Path], Iterator[Trial]]]:
    """Register what yields a trial, under its name."""

    def register(opened: Callable[[Path], Iterator[Trial]]) -> Callable[[Path], Iterator[Trial]]:
        name = opened.__name__
        TARGETS[name] = FuzzTarget(name, contextmanager(opened), refusals, short)
        return opened

    return register


class Drawn(random.Random):
    """Chance that bytes decide, so that a fuzzer does; nothing but zeros once they are used up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._at = 0

    @property
    def is_used_up(self) -> bool:
        """Whether all the bytes have been drawn."""
        return self._at >= len(self._data)

    def getrandbits(self, count: int, /) -> int:
        """Return a number of so many bits."""
        return int.from_bytes(self.take((count + 7) // 8), "little") & ((1 << count) - 1)

    def random(self) -> float:
        """Return a number from 0 to 1, which is not among them."""
        return self.getrandbits(8) / 256

    def take(self, most: int) -> bytes:
        """Return the next bytes, zeros behind the last."""
        found = self._data[self._at : self._at + most]
        self._at += most
        return found.ljust(most, b"\0")

    def rest(self) -> bytes:
        """Return all the bytes that are left."""
        found, self._at = self._data[self._at :], len(self._data)
        return found
