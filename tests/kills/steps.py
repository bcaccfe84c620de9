"""Run something in a forked process that is killed at one of its steps, or at any moment."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bough_daemon.errors import BoughError, WouldBringBack, WouldRemove

from tests.daemon.moves_killed import at_each_step

REFUSED, BROKEN = 4, 5  # exit codes
PATIENCE = 120.0  # seconds; then the process counts as one that hangs
FIRST_STEPS, FIRST_SECONDS = 60, 0.2  # of work that was never seen to end

Say = Callable[[str], None]


@dataclass(frozen=True)
class KilledRun:
    """How it ended. `killed`: by the kill; `said`: what it had said by then."""

    killed: bool
    refused: bool
    said: list[str]


@dataclass
class Killer:
    """Kill forked work; a kind of work that was never seen to end is let alone now and then, to learn how much it is.

    `steps`, `seconds`: what was seen of each kind, at most.
    """

    chance: random.Random
    steps: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, kind: str, work: Callable[[Say], None]) -> KilledRun:
        """Run `work` in a process that is killed on the way, and say what it said until then."""
        assert threading.active_count() == 1, "a process with threads cannot be forked"
        last, delay = 0, PATIENCE
        if kind not in self.seconds and self.chance.random() < 0.5:
            pass
        elif self.chance.random() < 0.5:
            last = self.chance.randrange(1, self.steps.get(kind, FIRST_STEPS) + 1)
        else:
            delay = self.chance.uniform(0.001, self.seconds.get(kind, FIRST_SECONDS))
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _be_killed(work, writing, last, delay)
        os.close(writing)
        with os.fdopen(reading) as out:
            lines = out.read().splitlines()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = [line for line in lines if not line.startswith("steps ")]
        if code == BROKEN:
            raise AssertionError(f"{kind} failed: {os.linesep.join(said)}")
        for steps, took in (line.split(" ")[1:] for line in lines if line.startswith("steps ")):
            if code == 0:
                self.steps[kind] = max(int(steps), self.steps[kind])
                self.seconds[kind] = max(float(took), self.seconds.get(kind, 0.0))
        assert code in (0, REFUSED, -signal.SIGKILL, -signal.SIGALRM), f"{kind} ended with {code}"
        assert code >= 0 or last or delay < PATIENCE, f"{kind} hangs"
        return KilledRun(code < 0, code == REFUSED, said)


def _be_killed(work: Callable[[Say], None], writing: int, last: int, delay: float) -> None:
    """Work until the kill; the process ends here."""
    steps, began, code = 0, time.monotonic(), 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(line: str) -> None:
        os.write(writing, f"{line}\n".encode())

    at_each_step(step)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process where it is, in C as well
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        work(say)
    except (WouldBringBack, WouldRemove):  # the second net under merges, which is to catch nothing
        say(traceback.format_exc())
        code = BROKEN
    except BoughError as refused:
        say(f"refused {refused.message}")
        code = REFUSED
    except BaseException:
        say(traceback.format_exc())
        code = BROKEN
    with suppress(OSError):
        say(f"steps {steps} {time.monotonic() - began}")
    os._exit(code)
