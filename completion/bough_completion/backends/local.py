"""The model on this machine, in a separate process that is restarted when it dies.

Native code can crash the process: that, or exceeding its memory limit, must not affect the repository engine and what
it has learned.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from bough_completion.notes import Notes
from bough_completion.prompt.window import CHARACTERS_PER_TOKEN, FILES
from bough_completion.prompt.writers import Wish, WriterFailed, Written
from bough_completion.query import ModelUse

_LINE_BYTES = 16 << 20
# Seconds before each restart; after one crash more than that without a single answer it stays down.
_PAUSES = (0.5, 2.0, 10.0, 60.0)
# Seconds that the process has to end by itself.
_END = 2.0
_ABOUT = "model"


@dataclass(frozen=True)
class ModelLocation:
    """Which model runs where: with at most `memory_mib`, on `threads` cores."""

    folder: Path
    device: str = "auto"
    threads: int = 2
    memory_mib: int | None = None

    @property
    def command(self) -> list[str]:
        """The command line of its process."""
        told = [str(self.folder), "--device", self.device, "--threads", str(self.threads)]
        memory = [] if self.memory_mib is None else ["--memory", str(self.memory_mib)]
        return [sys.executable, "-m", "bough_completion.model.process", *told, *memory]


class LocalModel:
    """A `Writer` in a separate process; `start` starts loading it and returns at once."""

    def __init__(self, place: ModelLocation, notes: Notes, hung_after: float = 30.0) -> None:
        """Start nothing yet; a process that does not react to a stop for `hung_after` seconds is killed."""
        self._hung_after = hung_after
        self._stopped: dict[int, float] = {}
        self._place = place
        self._notes = notes
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._name = ""
        self._window = 0
        self._crashes = 0
        self._keeper: asyncio.Task[None] | None = None
        # Set once it is known whether the model can serve.
        self.loaded = asyncio.Event()

    def start(self) -> None:
        """Load the model."""
        self._keeper = asyncio.create_task(self._keep())

    @property
    def name(self) -> str:
        """The model, its precision and where it runs."""
        return self._name

    @property
    def is_ready(self) -> bool:
        """Return whether it is loaded."""
        return bool(self._name)

    @property
    def room(self) -> int:
        """As much as the window leaves for other files."""
        return int(CHARACTERS_PER_TOKEN * self._window * FILES)

    @property
    def reads_ahead(self) -> bool:
        """It keeps what it has read."""
        return True

    def may_read(self, given_out: bool) -> bool:
        """Return True: nothing leaves the machine."""
        return True

    async def write(self, wish: Wish) -> AsyncGenerator[Written, None]:
        """Yield what the model writes; closing the iterator stops its run."""
        if not self.is_ready:
            raise WriterFailed("the model is not loaded")
        self._end_if_hung()
        number, answers = next(self._numbers), asyncio.Queue[dict[str, Any]]()
        self._waiting[number] = answers
        done = False
        try:
            self._send({"number": number, "wish": asdict(wish)})
            while not done:
                message = await answers.get()
                done = "written" not in message or message.get("done", False)
                if "written" not in message:
                    raise WriterFailed(message["failed"])
                told = message["written"]
                yield Written(**{**told, "use": ModelUse(**told["use"])})
            self._crashes = 0
        finally:
            del self._waiting[number]
            if not done:
                self._stopped[number] = monotonic()
                self._send({"number": number})

    async def close(self) -> None:
        """End the process."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})

    def _end_if_hung(self) -> None:
        if self._process is not None and monotonic() - min(self._stopped.values(), default=inf) > self._hung_after:
            self._stopped.clear()
            with suppress(ProcessLookupError):
                self._process.kill()

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _keep(self) -> None:
        """Run the process, and restart it when it crashes."""
        while True:
            try:
                crash = await self._run()
            finally:
                self._name = ""
                self.loaded.set()
            if crash is None:
                return
            if self._crashes == len(_PAUSES):
                self._notes.tell(_ABOUT, f"The model's process {crash} repeatedly; it is no longer restarted.")
                return
            self._notes.tell(_ABOUT, f"The model's process {crash}; it is being restarted.")
            pause = _PAUSES[self._crashes]
            self._crashes += 1
            await asyncio.sleep(pause)

    async def _run(self) -> str | None:
        """Run the process until it ends; return how it crashed, or None if restarting is pointless."""
        pipe = asyncio.subprocess.PIPE
        closed = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        cores = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        process = self._process = await asyncio.create_subprocess_exec(
            *self._place.command, stdin=pipe, stdout=pipe, env={**os.environ, **closed, **cores}, limit=_LINE_BYTES
        )
        refused = False
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                if not line.endswith(b"\n"):
                    break  # it ended in the middle of a message
                refused = self._take(json.loads(line)) or refused
        finally:
            self._name = ""
            self._stopped.clear()
            for answers in self._waiting.values():
                answers.put_nowait({"failed": "the model's process ended"})
            await _ended(process)
        return None if refused else _how(process.returncode)

    def _take(self, message: dict[str, Any]) -> bool:
        """Process a message; return whether it says that the model cannot be loaded."""
        if "number" in message:
            if message.get("done") or "failed" in message:
                self._stopped.pop(message["number"], None)
            if message["number"] in self._waiting:
                self._waiting[message["number"]].put_nowait(message)
        elif "ready" in message:
            self._name, self._window = message["ready"], message["window"]
            self._notes.take_back(_ABOUT)
            self.loaded.set()
        elif "note" in message:
            self._notes.tell("device", message["note"])
        else:
            self._notes.tell(_ABOUT, f"The model cannot be used: {message['failed']}.")
            return True
        return False


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Close the input of a process and wait for its end."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        why = " (out of memory, most likely)" if status == -signal.SIGKILL else ""
        return f"was ended by {signal.Signals(-status).name}{why}"
    return f"ended with status {status}"
