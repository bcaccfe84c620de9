"""Run seeds, and make what fails short enough to read."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from tests.simulator.oracle import Harm
from tests.simulator.product import signatures_checked_once
from tests.simulator.script import Weather, weather_of
from tests.simulator.world import SimulatedTeam

LONGEST_TRACE = 400  # lines
MOST_TRIES = 150  # to leave out steps


def failure_of(seed: int, weather: Weather, trace: deque[str] | None = None) -> str:
    """Run one simulation; return what is wrong, or nothing."""
    try:
        SimulatedTeam(seed, weather, trace).run()
    except Harm as harm:
        return str(harm)
    except Exception as failure:
        if trace is not None:
            trace.append(traceback.format_exc())
        return f"{type(failure).__name__}: {failure}"
    return ""


def shortened(seed: int, weather: Weather) -> Weather:
    """Leave out steps while the simulation still fails, in large parts first."""
    steps, size, tries = list(weather.steps), len(weather.steps), 0
    while size and tries < MOST_TRIES:
        at = 0
        while at < len(steps) and tries < MOST_TRIES:
            fewer, tries = steps[:at] + steps[at + size :], tries + 1
            if failure_of(seed, replace(weather, steps=tuple(fewer))):
                steps = fewer
            else:
                at += size
        size //= 2
    return replace(weather, steps=tuple(steps))


def first_failure(seeds: Iterable[int]) -> str:
    """Run simulations until one fails; return which one, and what is wrong, or nothing."""
    with signatures_checked_once():
        for seed in seeds:
            wrong = failure_of(seed, weather_of(seed))
            if wrong:
                return f"seed {seed}: {wrong}"
    return ""


def run_seeds(
    seeds: Iterable[int], members: int | None = None, keep: frozenset[int] | None = None, telling: bool = False
) -> int:
    """Run simulations, tell of each that fails, and return how many did."""
    failed = 0
    with signatures_checked_once():
        for seed in seeds:
            weather = weather_of(seed, members)
            if keep is not None:
                weather = replace(weather, steps=tuple(one for one in weather.steps if one.number in keep))
            if telling:
                trace = deque[str](maxlen=100_000)
                wrong = failure_of(seed, weather, trace)
                print("\n".join(trace))
                print(f"seed {seed}: {wrong or 'all is well'}")
                failed += bool(wrong)
            elif failure_of(seed, weather):
                failed += 1
                _tell(seed, weather, members, keep)
    return failed


def _tell(seed: int, weather: Weather, members: int | None, keep: frozenset[int] | None) -> None:
    short = shortened(seed, weather) if keep is None else weather
    trace = deque[str](maxlen=LONGEST_TRACE)
    wrong = failure_of(seed, short, trace)
    numbers = ",".join(str(step.number) for step in short.steps)
    command = f"python -m tests.simulator --from {seed} --seeds 1"
    command += f" --members {members}" if members is not None else ""
    print(*trace, sep="\n")
    print(f"seed {seed} fails: {wrong}")
    print(f"replayed by: {command}\nshortened:   {command} --keep '{numbers}' --trace\n", flush=True)
