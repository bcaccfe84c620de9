"""The terminal of the user who typed a command, lent to the daemon while the command runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence

from bough_proto.v1 import control_pb2 as pb

from bough_daemon.api.progress import Progress, Question
from bough_daemon.api.wire import fill
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
        self.running = ""  # the command line that the caller is running
        self.asking = False  # whether the caller is being asked something
        self.requests: asyncio.Queue[pb.TerminalRequest | None] = asyncio.Queue()

    async def tell(self, progress: Progress) -> None:
        """Tell the user something."""
        self.tell_now(progress)

    def tell_now(self, progress: Progress) -> None:
        """Tell the user something, from code that cannot wait."""
        request = pb.TerminalRequest()
        fill(request.progress, progress)
        self.requests.put_nowait(request)

    async def confirm(self, question: Question) -> bool:
        """Ask a question; return True when nobody is there to answer it."""
        request = pb.TerminalRequest()
        fill(request.question, question)
        return (await self._exchange(request)).agreed

    async def run(
        self,
        arguments: Sequence[str],
        directory: str,
        environment: Mapping[str, str] = NOTHING,
        stdin: bytes = b"",
    ) -> Finished:
        """Run a program where the user typed the command, and return its result."""
        run = pb.TerminalRequest.Run(
            arguments=[os.fsencode(argument) for argument in arguments],
            directory=os.fsencode(directory),
            environment=environment,
            stdin=stdin,
        )
        finished = (await self._exchange(pb.TerminalRequest(run=run), shown(arguments))).finished
        return Finished(finished.code, finished.output, finished.errors)

    async def _exchange(self, request: pb.TerminalRequest, running: str = "") -> pb.TerminalAnswer:
        async with self._turn:
            self.requests.put_nowait(request)
            self.running, self.asking = running, not running
            try:
                return await anext(self._answers)
            except StopAsyncIteration:
                raise TerminalGone("the terminal of the command was closed") from None
            finally:
                self.running, self.asking = "", False
