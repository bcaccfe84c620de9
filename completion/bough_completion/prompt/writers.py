"""Who can write at a cursor, besides the repository engine: a model on this machine, or on another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from bough_completion.prompt.template import Prompt
from bough_completion.query import NO_USE, ModelUse


@dataclass(frozen=True)
class Wish:
    """What is wanted: at most `max_lines` lines and `tokens` tokens at the cursor of a prompt.

    `owner` is who asks again and again: one buffer of one editor. `draft` is a guess of the answer, which may be wrong.
    With `tokens` 0 nothing is written: the prompt is read ahead.
    """

    owner: str
    prompt: Prompt
    max_lines: int = 1
    tokens: int = 48
    draft: str = ""


@dataclass(frozen=True)
class Written:
    """What was written so far.

    `confidence` is the model's own probability of exactly this text, `line_confidence` that of its first line; None
    where it is not told. `ended` tells that it came to its end by itself; what has not is a part. `use` is what it
    took so far, as far as that is told.
    """

    text: str
    confidence: float | None = None
    line_confidence: float | None = None
    ended: bool = False
    use: ModelUse = NO_USE


class WriterFailed(Exception):
    """It cannot write now; the caller has the other answers."""


class Writer(Protocol):
    """Someone who writes. All of it belongs to the event loop."""

    @property
    def name(self) -> str:
        """What it is and where it runs, for people."""

    @property
    def is_ready(self) -> bool:
        """Return whether asking it now makes sense."""

    @property
    def room(self) -> int:
        """How many characters of other files it has room for."""

    @property
    def reads_ahead(self) -> bool:
        """Return whether it keeps what it has read, so that reading ahead is of use."""

    def may_read(self, given_out: bool) -> bool:
        """Say whether it may read a file, which the member's daemon has `given_out` or not."""

    def write(self, wish: Wish) -> AsyncGenerator[Written, None]:
        """Yield what is written, more each time, the whole at last; closing the iterator stops the work.

        Raise `WriterFailed`.
        """

    async def close(self) -> None:
        """End it."""
