"""The interface of writers, besides the repository engine: a model on this machine, or on another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from bough_completion.prompt.template import Prompt
from bough_completion.query import NO_USE, ModelUse


@dataclass(frozen=True)
class Wish:
    """A request for at most `max_lines` lines and `tokens` tokens at the cursor of a prompt.

    `owner` identifies a repeated asker: one buffer of one editor. `draft` is a guess of the answer, which may be wrong.
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

    `confidence` is the model's own probability of exactly this text, `line_confidence` that of its first line; None if
    unknown. `ended`: it is complete. `use` is what it used so far, if known.
    """

    text: str
    confidence: float | None = None
    line_confidence: float | None = None
    ended: bool = False
    use: ModelUse = NO_USE


class WriterFailed(Exception):
    """It cannot write now; the caller has the other answers."""


class Writer(Protocol):
    """A writer of completions. All of it belongs to the event loop."""

    @property
    def name(self) -> str:
        """For messages: what it is and where it runs."""

    @property
    def is_ready(self) -> bool:
        """Return whether asking it now makes sense."""

    @property
    def room(self) -> int:
        """How many characters of other files it has space for."""

    @property
    def reads_ahead(self) -> bool:
        """Return whether it keeps what it has read, so that reading ahead is useful."""

    def may_read(self, given_out: bool) -> bool:
        """Return whether it may read a file, which the member's daemon has `given_out` or not."""

    def write(self, wish: Wish) -> AsyncGenerator[Written, None]:
        """Yield what is written, more each time, finally the whole; closing the iterator stops the work.

        Raise `WriterFailed`.
        """

    async def close(self) -> None:
        """End it."""
