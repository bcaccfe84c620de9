"""Who is at work where a command has to wait, and how that ends: what the user is told after a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 1.0  # seconds that a command waits without a word
STOP = "press Ctrl-C here to stop waiting"


@dataclass
class Work:
    """A command that changes files. `process`: its client, 0 for unknown. `doing`: what that runs or asks now.

    `began`: whether it has its turn; until then its terminal may still give it up.
    """

    command: str
    process: int = 0
    doing: Callable[[], str] = str
    began: bool = False
    since: float = field(default_factory=time.time)

    def waited_for(self) -> str:
        """Return what a waiting caller is told."""
        doing = f", and is {self.doing()}" if self.doing() else ""
        end = f"Ctrl-C there or `kill {self.process}` ends it; " if self.process else ""
        started = f"started {seconds_since(self.since)} s ago in another terminal{doing}"
        return f"waiting for `bough {self.command}`, {started}; {end}{STOP}"


def seconds_since(moment: float) -> int:
    """Return how long ago a moment was, in whole seconds."""
    return max(0, round(time.time() - moment))


@contextmanager
def speaking_up(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` once, on the event loop, where this block takes longer than a user waits without a word."""
    timer = asyncio.get_running_loop().call_later(PATIENCE, say)
    try:
        yield
    finally:
        timer.cancel()
