"""Which command is at work while another has to wait, and when the user is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 1.0  # seconds that a command waits in silence


@dataclass
class Work:
    """A command that changes files. `process`: the process that it was typed in; 0: unknown.

    `running` and `asking` return what its terminal runs now, and whether it waits for an answer. `began`: whether its
    turn has come; until then it can be cancelled.
    """

    command: str
    process: int = 0
    running: Callable[[], str] = str
    asking: Callable[[], bool] = bool
    began: bool = False
    since: float = field(default_factory=time.time)


def seconds_since(moment: float) -> int:
    """Return how long ago a moment was, in whole seconds."""
    return max(0, round(time.time() - moment))


@contextmanager
def speaking_up(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` once, on the event loop, if this block takes longer than a user waits in silence."""
    timer = asyncio.get_running_loop().call_later(PATIENCE, say)
    try:
        yield
    finally:
        timer.cancel()
