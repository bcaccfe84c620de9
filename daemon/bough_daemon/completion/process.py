"""The completion process: started when it is first wanted, and restarted after it has died.

It is a separate process because learning, searching and inference would block the daemon.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bough_completion.endpoints.client import CompletionClient

from bough_daemon.api.settings import UserSettings
from bough_daemon.errors import DaemonFailed
from bough_daemon.home import Home
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.threads import to_the_end

START_PATIENCE = 60.0  # seconds until a process that does not answer counts as failed
END_PATIENCE = 5.0  # seconds until one that does not end is killed
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds before a process that keeps dying is restarted
STEADY = 60.0  # seconds of life after which a death is not counted as a failed start
LOG_LIMIT_BYTES = 1_000_000
WORK = "completion"
LOOPBACK = "127.0.0.1"
PASSED_ON = ("device", "threads", "memory", "remote", "remote_model", "remote_key_file")  # settings that become options


@dataclass(frozen=True)
class Running:
    """One run of the process. `http`: where it serves HTTP; empty: nowhere. `notes`: what the user should know."""

    generation: int
    socket: str
    client: CompletionClient
    http: str = ""
    notes: list[str] = field(default_factory=list)


class CompletionProcess:
    """Keep the process running once it is wanted; `on_change` is called when it has started and when it has died.

    `background` counts its deaths and failed starts, and restarts it.
    """

    def __init__(self, home: Home, background: Supervisor, on_change: Callable[[], None]) -> None:
        self.running: Running | None = None
        self._home = home
        self._on_change = on_change
        self._background = background
        self._child: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._generation = 0
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def token_file(self) -> str:
        """The file with the token of the HTTP endpoint."""
        return self._home.path("completion.token")

    async def start(self, settings: UserSettings) -> Running:
        """Return the running process, starting it if necessary; raise DaemonFailed."""
        async with self._turn:
            if self.running is None:
                await asyncio.sleep(self._not_before - asyncio.get_running_loop().time())
                await self._start(settings)
                self._on_change()
            assert self.running is not None
            return self.running

    async def stop(self) -> None:
        """End the process."""
        async with self._turn:
            child, self._child = self._child, None
            self._pause = self._not_before = 0.0
            await self._forget()
            if self._watcher is not None:
                self._watcher.cancel()
            if child is not None:
                await _end(child)
                self._on_change()

    async def _start(self, settings: UserSettings) -> None:
        self._generation += 1
        place = os.path.join(os.path.dirname(self._home.socket), "complete.sock")
        options, http, notes = await asyncio.to_thread(self._options, settings)
        with _log_of(self._home) as errors:
            child = await asyncio.create_subprocess_exec(
                # -P: the daemon's current folder must not provide modules.
                *(sys.executable, "-P", "-m", "bough_completion", place, *options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
            )
        client, answers = CompletionClient(place), False
        try:
            answers = await _answers(client, child)
        finally:
            if not answers:
                await to_the_end(client.close())
                await to_the_end(_end(child))
        if not answers:
            self._wait_longer()
            raise DaemonFailed(
                "the completion process did not start", log=errors.name, hint=f"Its last output is in {errors.name}."
            )
        self._child = child
        self.running = Running(self._generation, place, client, http, notes)
        self._watcher = self._background.keep(WORK, partial(self._watch, child, settings))

    def _options(self, settings: UserSettings) -> tuple[list[str], str, list[str]]:
        """Return the process's options, the address of its HTTP endpoint, and what the user should know."""
        options, http, notes = list[str](), "", list[str]()
        given = {name: value for name in PASSED_ON if (value := settings.values.get(f"completion.{name}"))}
        key_file = os.path.expanduser(str(given.get("remote_key_file", "")))
        if key_file and not os.access(key_file, os.R_OK):
            notes.append(f"the remote model is not used: {key_file} cannot be read")
            given = {name: value for name, value in given.items() if not name.startswith("remote")}
        for name, value in given.items():
            options += [f"--{name.replace('_', '-')}", key_file if name == "remote_key_file" else str(value)]
        folder, note = model_folder(self._home, settings.text("completion.model"))
        options += ["--model", folder] if folder else []
        notes += [note] if note else []
        port = settings.number("completion.http_port")
        if port and is_taken(port):
            notes.append(f"no HTTP door: port {port} is taken by another program; choose another completion.http_port")
        elif port:
            write_token(self.token_file)
            options += ["--http", str(port), "--token-file", self.token_file]
            http = f"http://{LOOPBACK}:{port}"
        return options, http, notes

    async def _watch(self, child: asyncio.subprocess.Process, settings: UserSettings) -> None:
        """Restart the process whenever it dies."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        code = await child.wait()
        self._background.note(WORK, DaemonFailed(f"its process ended with code {code}"))
        if loop.time() - began > STEADY:
            self._pause = 0.0
        self._wait_longer()
        await self._forget()
        self._on_change()
        while self.running is None:
            try:
                await self.start(settings)
            except (DaemonFailed, OSError) as failure:
                self._background.note(WORK, failure)

    def _wait_longer(self) -> None:
        """Wait longer before the next start than before this one, so that a failure costs little."""
        self._pause = min(max(SHORTEST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        self._not_before = asyncio.get_running_loop().time() + self._pause

    async def _forget(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            await running.client.close()


def _log_of(home: Home) -> BinaryIO:
    """Return the file for the process's stderr, truncated if it has grown long."""
    path = home.path("completion.log")
    with suppress(FileNotFoundError):
        if os.path.getsize(path) > LOG_LIMIT_BYTES:
            os.unlink(path)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")


async def _answers(client: CompletionClient, child: asyncio.subprocess.Process) -> bool:
    """Wait until the process answers; return False if it ends first or takes longer than START_PATIENCE."""
    answer, end = asyncio.ensure_future(client.stats("")), asyncio.ensure_future(child.wait())
    try:
        await asyncio.wait({answer, end}, timeout=START_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        return answer.done() and answer.exception() is None
    finally:
        answer.cancel()
        end.cancel()
        await asyncio.gather(answer, end, return_exceptions=True)


async def _end(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    with suppress(OSError):
        child.stdin.close()
    try:
        async with asyncio.timeout(END_PATIENCE):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def model_folder(home: Home, name: str) -> tuple[str, str]:
    """Return the folder of the model to use, empty for none, and a note if it is missing."""
    from bough_completion.errors import ModelError
    from bough_completion.model.shelf import Shelf

    shelf = Shelf(Path(home.path("models")))
    if name == "none":
        return "", ""
    try:
        item = shelf.named(name) if name else shelf.used()
    except ModelError as failure:
        return "", f"no model is selected: {failure}"
    return (str(item.folder) if item is not None else ""), ""


def is_taken(port: int) -> bool:
    """Return whether something already listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return True
    return False


def write_token(path: str) -> None:
    """Create the token file unless it exists; only its user can read it."""
    with suppress(FileExistsError):
        fresh = f"{path}.{os.getpid()}"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(fresh, path)
        finally:
            os.unlink(fresh)
    os.chmod(path, 0o600)
