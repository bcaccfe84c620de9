"""Keep the completion process fed with what is live, and pass questions on to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile

import grpc
from bough_completion.client import CompletionClient
from bough_completion.query import SAVED, Kind, Origin, Query
from bough_completion.wire import Blob, Question

from bough_daemon.errors import BadUsage, DaemonFailed, UnknownPath
from bough_daemon.home import Home
from bough_daemon.objects import EXECUTABLE, FILE, Entry, Objects
from bough_daemon.owner import Owner
from bough_daemon.report import Continuation, Continuations
from bough_daemon.session import Session
from bough_daemon.sync import Teammate
from bough_daemon.worktree import whole

FILE_LIMIT_BYTES = 300_000  # a longer file is data, or made by a machine
TREE_LIMIT_BYTES = 8_000_000  # text of one working tree that the engine learns; the nearest to the question first
BATCH = 64  # blobs read in one go on the store's thread
PATIENCE = 2.0  # seconds for one answer on the command line


@dataclass
class _Fed:
    """What the engine has learned of one working tree. `tree`: its tree then. `room`: bytes that may still come."""

    tree: str | None = None
    room: int = TREE_LIMIT_BYTES
    teammates: dict[str, str] = field(default_factory=dict)


class Completing:
    """The completion process, started at the first question and again after it has died.

    It is a process of its own because learning and searching would hold up the stream.
    """

    def __init__(self, home: Home) -> None:
        self._socket = os.path.join(os.path.dirname(home.socket), "complete.sock")
        self._child: subprocess.Popen[bytes] | None = None
        self._client: CompletionClient | None = None
        self._fed: dict[str, _Fed] = {}
        self._turn = asyncio.Lock()

    async def complete(
        self, session: Session, owner: Owner, teammates: list[Teammate], file: str, line: int, column: int, text: bytes
    ) -> Continuations:
        """Continue `file` (absolute) at a one-based line and column; `text`: the editor's buffer, empty: the file."""
        path = os.path.relpath(whole(file), session.worktree.root)
        if path.startswith("../"):
            raise BadUsage(f"{file} lies outside the working tree")
        prefix, suffix = _around(text or _read(file), line, column)
        async with self._turn:
            client = self._running()
            try:
                await self._feed(client, session, owner, teammates, path)
                query = Query(path=path, prefix=prefix, suffix=suffix, limit=3, patience=PATIENCE)
                found = await client.complete(Question(session.worktree.root, "command line", query))
            except grpc.aio.AioRpcError as failure:
                await self.close()
                raise DaemonFailed(f"the completion process failed: {failure.details()}") from failure
        engine = found[0].engine if found else "repository engine, no model"
        return Continuations(engine, [Continuation(one.text, one.confidence, one.source) for one in found])

    async def close(self) -> None:
        """End the process."""
        client, child = self._client, self._child
        self._client = self._child = None
        self._fed.clear()
        if client is not None:
            await client.close()
        if child is not None:
            assert child.stdin is not None
            with suppress(OSError):
                child.stdin.close()
            await asyncio.to_thread(child.wait)

    def _running(self) -> CompletionClient:
        """Return a connection to the process, which is started where it does not run."""
        if self._client is not None and self._child is not None and self._child.poll() is None:
            return self._client
        self._fed.clear()
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "bough_completion", self._socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client = CompletionClient(self._socket)
        return self._client

    async def _feed(
        self, client: CompletionClient, session: Session, owner: Owner, teammates: list[Teammate], near: str
    ) -> None:
        """Bring the engine up to the newest snapshots: mine, and of teammates what they changed."""
        tip, objects = session.branch.tip, session.store.objects
        assert tip is not None
        fed = self._fed.setdefault(session.worktree.root, _Fed())
        root = session.worktree.root
        if fed.tree != tip.tree:
            changes = await owner.run(_changes, objects, fed.tree, tip.tree, near)
            await client.feed(root, self._blobs(owner, objects, changes, SAVED, fed))
            fed.tree = tip.tree
        for one in teammates:
            if one.tip is None or one.base is None or fed.teammates.get(one.branch) == one.tip:
                continue
            changes = await owner.run(_changes_since, objects, fed.teammates.get(one.branch) or one.base, one.tip)
            await client.feed(root, self._blobs(owner, objects, changes, Origin(Kind.LIVE, one.branch), fed))
            fed.teammates[one.branch] = one.tip

    async def _blobs(
        self, owner: Owner, objects: Objects, changes: list[tuple[str, Entry | None]], origin: Origin, fed: _Fed
    ) -> AsyncIterator[Blob]:
        for start in range(0, len(changes), BATCH):
            for path, text in await owner.run(_texts, objects, changes[start : start + BATCH]):
                size = len(text or "")
                if size <= fed.room:
                    fed.room -= size
                    yield Blob(path, text, origin)


def _changes(objects: Objects, old: str | None, new: str, near: str) -> list[tuple[str, Entry | None]]:
    """Return what differs between two trees, the files that are most like the one at `near` first."""
    end = os.path.splitext(near)[1]
    folders = near.split("/")[:-1]

    def distance(path: str) -> tuple[bool, int, str]:
        pairs = zip(folders, path.split("/")[:-1], strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return os.path.splitext(path)[1] != end, -shared, path

    return sorted(((path, now) for path, _, now in objects.difference(old, new)), key=lambda one: distance(one[0]))


def _changes_since(objects: Objects, old: str, new: str) -> list[tuple[str, Entry | None]]:
    before, after = objects.commit(old).tree, objects.commit(new).tree
    return sorted((path, now) for path, _, now in objects.difference(before, after))


def _texts(objects: Objects, changes: list[tuple[str, Entry | None]]) -> list[tuple[str, str | None]]:
    """Return the text at each path; None where it is gone, or no text that is worth learning."""
    found: list[tuple[str, str | None]] = []
    for path, entry in changes:
        text = None
        is_file = entry is not None and entry.mode in (FILE, EXECUTABLE)
        if entry is not None and is_file and objects.size(entry.oid) <= FILE_LIMIT_BYTES:
            data = objects.blob(entry.oid)
            text = data.decode(errors="replace") if b"\0" not in data else None
        found.append((os.fsencode(path).decode(errors="replace"), text))
    return found


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
        raise BadUsage(f"there is no line {line}: the file has {len(lines)}")
    here = lines[line - 1]
    if not 1 <= column <= len(here.rstrip("\r\n")) + 1:
        raise BadUsage(f"there is no column {column} in line {line}")
    before = "".join(lines[: line - 1]) + here[: column - 1]
    return before, here[column - 1 :] + "".join(lines[line:])
