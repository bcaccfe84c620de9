"""What happens in a simulation: a list of steps that follows from a seed, any of which can be left out."""

from __future__ import annotations

import random
from dataclasses import dataclass

MINUTE = 60_000.0
# How often each comes, among those that a seed has.
KINDS = {
    "save": 14,
    "save elsewhere": 3,
    "merge": 4,
    "land": 4,
    "cut": 6,
    "partition": 3,
    "slow": 2,
    "crash": 4,
    "die after writing": 2,
    "skew": 2,
    "move": 3,
    "join in": 3,
    "rivals": 2,
    "leave": 1,
    "remove": 2,
    "remove each other": 1,
    "back up": 2,
    "restore": 2,
    "double": 1,
    "purge": 2,
    "full disk": 2,
    "trick": 12,
}
ALWAYS = ("save", "cut")


@dataclass(frozen=True)
class Step:
    """One thing that happens at a time (milliseconds); `who`, `other` and `amount` are read as it needs them."""

    number: int
    at: float
    kind: str
    who: int
    other: int
    amount: float


@dataclass(frozen=True)
class Weather:
    """What a whole simulation is like.

    `blocked`: the share of pairs that never reach each other. `mishaps`: how often a job fails. `as_bytes`: whether
    words travel as on the wire. `is_hostile`: whether one of the members is.
    """

    members: int
    blocked: float
    mishaps: float
    as_bytes: bool
    is_hostile: bool
    steps: tuple[Step, ...]


def members_of(chance: random.Random, number: int) -> int:
    """Return how many members a seed has: mostly few."""
    if number % 400 == 399:
        return chance.randint(20, 50)
    if number % 40 == 39:
        return chance.randint(9, 16)
    return chance.choice((2, 2, 3, 3, 3, 4, 4, 5, 6, 7))


def weather_of(seed: int, members: int | None = None) -> Weather:
    """Return what follows from a seed; `members`: as many, in place of what follows from it."""
    chance = random.Random(seed)
    count = members or members_of(chance, seed)
    is_hostile = chance.random() < 0.3 and count > 2
    kinds = [kind for kind in KINDS if kind in ALWAYS or chance.random() < 0.45]
    kinds = [kind for kind in kinds if kind != "trick" or is_hostile]
    weights = [KINDS[kind] for kind in kinds]
    length, steps = chance.choice((0.3, 1.0, 2.0)) * MINUTE, chance.randint(6, 36)
    times = sorted(chance.uniform(0, length) for _ in range(steps))
    return Weather(
        members=count,
        blocked=0.0 if is_hostile else chance.choice((0.0, 0.0, 0.4, 0.9)),
        mishaps=chance.choice((0.0, 0.0, 0.03)),
        as_bytes=chance.random() < 0.25,
        is_hostile=is_hostile,
        steps=tuple(
            Step(number, at, kind, chance.randrange(1000), chance.randrange(1000), chance.random())
            for number, (at, kind) in enumerate(zip(times, chance.choices(kinds, weights, k=steps), strict=True))
        ),
    )
