"""A language server's connection to the completion process, by way of the user's daemon, which may stop and restart."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import grpc
from bough_completion.endpoints.client import CompletionClient, Gone, or_gone
from bough_proto.v1 import control_pb2 as pb
from bough_proto.v1 import control_pb2_grpc

from bough_daemon.api import records
from bough_daemon.api.client import FS, OPTIONS
from bough_daemon.api.launch import ensure_running, is_running
from bough_daemon.api.wire import from_message
from bough_daemon.errors import BoughError
from bough_daemon.home import Home

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds that a question waits for a process that is starting
PAUSE = 2.0  # seconds between two attempts to reach a daemon


class DaemonConnection:
    """A connection to the user's daemon for as long as the editor runs.

    The daemon is started if it is not running, and again at the next question if it died. If the user stopped it, it
    stays stopped until something else starts it.
    """

    def __init__(self, home: Home) -> None:
        self.notes: list[str] = []
        self._home = home
        self._task: asyncio.Task[None] | None = None
        self._stub: control_pb2_grpc.ControlServiceAsyncStub | None = None
        self._doors = records.Doors()
        self._client: CompletionClient | None = None
        self._ready = asyncio.Event()
        self._asked = asyncio.Event()

    async def client(self) -> tuple[int, CompletionClient] | None:
        """Return the connection to the process and its generation, or None while there is none."""
        if self._task is None:
            self._task = asyncio.create_task(self._hold())
        self._asked.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._ready.wait()
        return (self._doors.generation, self._client) if self._client is not None else None

    async def place(self, file: str) -> records.FileRecord | None:
        """Return where a file is, or None while no daemon answers."""
        if self._stub is None:
            await self.client()
        if self._stub is None:
            return None
        request = pb.PlaceFileRequest(file=file.encode(*FS))
        try:
            with or_gone():
                return from_message(await self._stub.PlaceFile(request, timeout=PATIENCE), records.FileRecord)
        except Gone:
            return None

    async def _hold(self) -> None:
        """Follow the daemon's endpoints; start over when the daemon has ended."""
        was_ended = False
        while True:
            failed = False
            try:
                if not was_ended or is_running(self._home):
                    await asyncio.to_thread(ensure_running, self._home)
                    await self._listen()
                    was_ended = True
            except Gone:
                was_ended = False
            except (BoughError, OSError) as failure:
                failed = True
                self.notes = [failure.message if isinstance(failure, BoughError) else str(failure)]
            hopeless = was_ended or failed
            await self._let_go(hopeless)
            await asyncio.sleep(PAUSE if hopeless else 0)
            self._asked.clear()
            await self._asked.wait()

    async def _listen(self) -> None:
        """Apply what the daemon reports about its endpoints, until it ends."""
        self._home.check_socket_folder()
        async with grpc.aio.insecure_channel(f"unix:{self._home.socket}", options=OPTIONS) as channel:
            self._stub = control_pb2_grpc.ControlServiceStub(channel)
            with or_gone():
                async for said in self._stub.WatchDoors(pb.WatchDoorsRequest()):
                    await self._take(from_message(said, records.Doors))

    async def _take(self, doors: records.Doors) -> None:
        before, self._client = self._client, None
        self._doors, self.notes = doors, doors.notes
        if doors.socket:
            self._client = CompletionClient(doors.socket)
        self._ready.set()
        if before is not None:
            await before.close()

    async def _let_go(self, hopeless: bool) -> None:
        """Forget a daemon that has ended. `hopeless`: no question should wait for the next one."""
        self._stub = None
        before, self._client = self._client, None
        if hopeless:
            self._ready.set()
        else:
            self._ready.clear()
        if before is not None:
            await before.close()
