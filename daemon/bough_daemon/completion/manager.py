"""The daemon's side of completion: one process, fed with everything live, and its endpoints."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from bough_completion.endpoints.client import Gone
from bough_completion.query import Query
from bough_completion.wire import Question

from bough_daemon.api.records import Continuation, Continuations, Doors, FileRecord, UseRecord
from bough_daemon.api.settings import UserSettings, read_settings
from bough_daemon.completion.feeder import Feeder, LiveRepository
from bough_daemon.completion.process import CompletionProcess, Running
from bough_daemon.completion.text_reader import as_text
from bough_daemon.completion.usage import UseLog
from bough_daemon.errors import (
    BadSetting,
    BoughError,
    DaemonFailed,
    NoSuchPosition,
    NothingSuggested,
    OutsideWorktree,
    UnknownPath,
)
from bough_daemon.git.worktree import live_root, whole
from bough_daemon.home import Home
from bough_daemon.privacy.private_names import is_secret
from bough_daemon.recording.recorder import Recorder
from bough_daemon.system.failing import Failing
from bough_daemon.system.opened import Opened
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.threads import StoreThread

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds for one answer on the command line
TRY_AGAIN = 30.0  # seconds until an editor's request retries a process that did not start
SAVE_EVERY = 5.0  # seconds between checks whether the counts must be saved
OFF = "completion is turned off: `bough config set completion.enabled true`"


class CompletionManager:
    """Run the completion process from the first question on, and feed it every live working tree."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._settings, self._fault = _settings_of(home)
        self._use = UseLog(home.path("completion-use.json"))
        self._owner = StoreThread("completion reader")
        self._feeders: dict[str, Feeder] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._background = Supervisor()
        self._process = CompletionProcess(home, self._background, self._process_changed)
        self._hearing: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._listeners = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Count and answer until the end of the block; open the HTTP endpoint if configured."""
        async with Opened() as opened:
            opened.push_async_callback(self._close)
            self._background.keep("writing down the use of suggestions", self._keep_saving)
            if self._settings.number("completion.http_port"):
                self._background.begin("opening the HTTP door", self._open)
            yield

    async def _open(self) -> None:
        with suppress(BoughError):
            await self._start()

    async def _close(self) -> None:
        for root in list(self._feeders):
            await self._end(root)
        await self._background.close()
        await self._process.stop()
        await asyncio.to_thread(self._use.save)
        self._owner.close()

    @property
    def is_wanted(self) -> bool:
        """Return whether an editor is attached, or may be at any moment."""
        return self._listeners > 0 or (self._process.running is not None and self._process.running.http != "")

    # Live working trees.

    def follow(self, repository: LiveRepository, session: Recorder) -> None:
        """Feed a working tree from now on."""
        root = session.worktree.root
        feeder = Feeder(repository, session, self._owner, lambda: self._process.running, self._use)
        self._feeders[root] = feeder
        self._tasks[root] = self._background.keep("learning for suggestions", feeder.run)
        feeder.wake()

    async def unfollow(self, root: str) -> None:
        """Withdraw a working tree from the process."""
        feeder = self._feeders.get(root)
        if feeder is not None:
            await self._end(root)
            await feeder.forget()

    async def _end(self, root: str) -> None:
        del self._feeders[root]
        task = self._tasks.pop(root)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    # Questions.

    async def complete(self, session: Recorder, file: str, line: int, column: int, text: bytes) -> Continuations:
        """Continue `file` (absolute) at a one-based line and column; `text`: the editor's buffer, empty: the file."""
        place = await asyncio.to_thread(self.place, session, file)
        if place.repository != as_text(session.worktree.root):
            raise OutsideWorktree(f"{file} is outside the working tree")
        prefix, suffix = _around(text or _read(file), line, column)
        if place.withheld:
            raise NothingSuggested(f"no suggestions in {file}: it is named like a secret")
        query = Query(path=place.path, prefix=prefix, suffix=suffix, limit=3, patience=PATIENCE)
        question = Question(place.repository, "", query)
        try:
            return await self._ask(session, question)
        except Gone:
            # Its end is counted and shown by `status`; if the second answer fails too, that is an error.
            log.warning("the completion process ended during a request, which is sent again")
        try:
            return await self._ask(session, question)
        except Gone as failure:
            raise DaemonFailed(f"the completion process failed: {failure}") from failure

    async def _ask(self, session: Recorder, question: Question) -> Continuations:
        running = await self._start()
        feeder = self._feeders.get(session.worktree.root)
        if feeder is not None:
            feeder.focus(question.query.path)
            await feeder.caught_up()
        async with asyncio.timeout(10 * PATIENCE):
            found = await running.client.complete(question)
            stats = await running.client.stats(question.repository)
        texts = [Continuation(one.text, one.confidence, one.source) for one in found]
        engine = found[0].engine if found else stats.engine
        return Continuations(engine, texts, [*self._fault, *running.notes, *stats.notes])

    def place(self, session: Recorder | None, file: str) -> FileRecord:
        """Return where a file is, in the working tree of `session` or in a folder that is not live."""
        file = whole(file)
        folder = os.path.dirname(file)
        root = session.worktree.root if session is not None else live_root(folder) or folder
        path = os.path.relpath(file, root)
        if session is None or path.startswith("../"):
            root = live_root(folder) or folder
            path = os.path.relpath(file, root)
            return FileRecord(as_text(root), as_text(path), withheld=is_secret(path))
        withheld = is_secret(path) or path in session.branch.withheld
        ignored = session.snapshots.ignores.ignored([path])[0]
        return FileRecord(as_text(root), as_text(path), live=True, withheld=withheld, ignored=ignored)

    def focus(self, session: Recorder, path: str) -> None:
        """Learn the files near this one first."""
        feeder = self._feeders.get(session.worktree.root)
        if feeder is not None:
            feeder.focus(path)

    async def doors(self) -> AsyncGenerator[Doors]:
        """Yield how completion is reached, now and after each change; the process runs while anyone listens."""
        self._listeners += 1
        try:
            while True:
                changed = self._changed
                doors = await self._doors()
                yield doors
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if doors.socket else TRY_AGAIN):
                        await changed.wait()
        finally:
            self._listeners -= 1

    async def _doors(self) -> Doors:
        try:
            running = await self._start()
            stats = await running.client.stats("")
        except BoughError as failure:
            return Doors(notes=[*self._fault, failure.message])
        except Gone:
            return Doors(notes=self._fault)  # it has died meanwhile; its successor will be reported
        token_file = self._process.token_file if running.http else ""
        notes = [*self._fault, *running.notes, *stats.notes]
        return Doors(running.socket, running.generation, running.http, token_file, notes)

    def failing(self) -> list[Failing]:
        """Return the failures of completion's background work."""
        return self._background.failing()

    def uses(self) -> list[UseRecord]:
        """Return what became of the suggestions."""
        return self._use.uses()

    async def reload(self) -> list[str]:
        """Apply the settings; return the notices for the user. A process that runs or is wanted is restarted."""
        self._settings, self._fault = _settings_of(self._home)
        wanted = self._listeners or self._process.running or self._settings.number("completion.http_port")
        await self._process.stop()
        self._tell()
        if not wanted or not self._settings.value("completion.enabled"):
            return self._fault
        return (await self._doors()).notes

    async def _start(self) -> Running:
        if not self._settings.value("completion.enabled"):
            raise NothingSuggested(OFF)
        return await self._process.start(self._settings)

    def _process_changed(self) -> None:
        """Feed a process that was started and receive its counts; tell the endpoints about one that has died."""
        running = self._process.running
        if running is not None:
            if self._hearing is not None:
                self._hearing.cancel()
            self._hearing = self._background.keep("counting suggestions", partial(self._hear, running))
            for feeder in self._feeders.values():
                feeder.wake()
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _hear(self, running: Running) -> None:
        with suppress(Gone):
            async for name, use in running.client.uses():
                if any(feeder.name == name for feeder in self._feeders.values()):  # else it is not live
                    self._use.note(name, use)

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await asyncio.to_thread(self._use.save)


def _settings_of(home: Home) -> tuple[UserSettings, list[str]]:
    """Return the settings, and what is wrong with the file, in which case all are defaults."""
    try:
        return read_settings(home), []
    except BadSetting as failure:
        return UserSettings(), [failure.message]


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as source:
            return source.read()
    except OSError as failure:
        raise UnknownPath(f"{file} cannot be read: {failure.strerror}", path=file) from failure


def _around(data: bytes, line: int, column: int) -> tuple[str, str]:
    """Return the text before and after a one-based line and column (in characters)."""
    lines = data.decode(errors="replace").splitlines(keepends=True) or [""]
    if line == len(lines) + 1 and lines[-1].endswith("\n"):
        lines.append("")
    if not 1 <= line <= len(lines):
        raise NoSuchPosition(f"there is no line {line}: the file has {len(lines)}")
    here = lines[line - 1]
    if not 1 <= column <= len(here.rstrip("\r\n")) + 1:
        raise NoSuchPosition(f"there is no column {column} in line {line}")
    before = "".join(lines[: line - 1]) + here[: column - 1]
    return before, here[column - 1 :] + "".join(lines[line:])
