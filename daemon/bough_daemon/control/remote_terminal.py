"""The terminal of the user who typed a command, lent to the daemon while the command runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence

from bough_proto.v1 import control_pb2 as pb

from bough_daemon.errors import TerminalGone
from bough_daemon.system.text import shown
from bough_daemon.transaction.terminal import NOTHING, Finished


class RemoteTerminal:
    """A Terminal at the other end of the control socket.

    `requests` holds what goes to the caller, in order; None ends it.
    """

    def __init__(self, answers: AsyncIterator[pb.TerminalAnswer]) -> None:
        self._answers = answers
        self._turn = asyncio.Lock()
        self.doing = ""  # what the caller runs or asks just now, in words
        self.requests: asyncio.Queue[pb.TerminalRequest | None] = asyncio.Queue()

    async def say(self, text: str) -> None:
        """Show a line."""
        self.tell(text)

    def tell(self, text: str) -> None:
        """Show a line, from where nothing may wait."""
        self.requests.put_nowait(pb.TerminalRequest(say=_text(text)))

    async def confirm(self, question: str) -> bool:
        """Ask a question; True when nobody is there to answer it."""
        return (await self._exchange(pb.TerminalRequest(ask=_text(question)), "waiting for an answer there")).agreed

    async def run(
        self,
        arguments: Sequence[str],
        directory: str,
        environment: Mapping[str, str] = NOTHING,
        stdin: bytes = b"",
    ) -> Finished:
        """Run a program where the user typed the command, and return when it has ended."""
        run = pb.TerminalRequest.Run(
            arguments=[os.fsencode(argument) for argument in arguments],
            directory=os.fsencode(directory),
            environment=environment,
            stdin=stdin,
        )
        finished = (await self._exchange(pb.TerminalRequest(run=run), f"running `{shown(arguments)}`")).finished
        return Finished(finished.code, finished.output, finished.errors)

    async def _exchange(self, request: pb.TerminalRequest, doing: str) -> pb.TerminalAnswer:
        async with self._turn:
            self.requests.put_nowait(request)
            self.doing = doing
            try:
                return await anext(self._answers)
            except StopAsyncIteration:
                raise TerminalGone("the terminal of the command was closed") from None
            finally:
                self.doing = ""


def _text(words: str) -> str:
    """Return words as a message takes them: a name in them may be no UTF-8."""
    return words.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
