"""The terminal of the user who typed a command, as far as the command uses it: to tell, to ask, to run programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from bough_daemon.api.progress import Progress, Question

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Finished:
    """The result of a program: its exit code, its standard output, and its standard error."""

    code: int
    output: bytes
    errors: str


class Terminal(Protocol):
    """The user's terminal, with the user's environment, keys and agents."""

    async def tell(self, progress: Progress) -> None:
        """Tell the user something."""

    async def confirm(self, question: Question) -> bool:
        """Ask a question; return True when nobody is there to answer it."""

    async def run(
        self,
        arguments: Sequence[str],
        directory: str,
        environment: Mapping[str, str] = NOTHING,
        stdin: bytes = b"",
    ) -> Finished:
        """Run a program in `directory`, with `environment` added to the user's own, and return its result."""
