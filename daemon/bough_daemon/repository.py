"""One repository that is live: its store, its team, and a session for each of its live working trees."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from bough_daemon.branches import Branch, Snapshot, timeline
from bough_daemon.durable import write_whole
from bough_daemon.errors import UnknownMember
from bough_daemon.home import Home
from bough_daemon.names import check_member_name, member_name_from
from bough_daemon.owner import Owner
from bough_daemon.report import Event, Log, LogEntry, Saved, Status, Withheld
from bough_daemon.session import Session
from bough_daemon.store import LIVE, Store
from bough_daemon.worktree import Worktree

SUBSCRIBER_LIMIT = 256  # events kept for one who does not read; then the oldest go


class Repository:
    """What all live working trees of one repository share.

    `sessions`: by the top folder of the working tree.
    """

    def __init__(self, home: Home, store: Store, owner: Owner, member: str) -> None:
        self.home = home
        self.member = member
        self.store = store
        self.owner = owner
        self.sessions: dict[str, Session] = {}
        self._subscribers: set[asyncio.Queue[Event]] = set()

    @classmethod
    async def open(cls, home: Home, worktree: Worktree, name: str) -> Repository:
        """Open the store of a repository; raise StoreOwned while another daemon has it.

        `name`: the member's name where it is chosen for the first time; empty: after the Git user.
        """
        member = check_member_name(name) if name else member_name_from(worktree.config("user.name"))
        owner = Owner("store")
        try:
            store = await owner.run(Store, worktree.common_dir, home.root)
        except BaseException:
            owner.close()
            raise
        return cls(home, store, owner, member)

    async def add(self, worktree: Worktree) -> Session:
        """Make a working tree live and return its session, started."""
        name = await self.owner.run(self._branch_name, worktree, self.member)
        branch = await self.owner.run(Branch, self.store, name, worktree.author())
        session = Session(
            worktree, self.store, self.owner, branch, lambda snapshot: self._on_snapshot(session, snapshot)
        )
        await session.start()
        self.sessions[worktree.root] = session
        return session

    async def remove(self, root: str) -> None:
        """Stop recording a working tree."""
        await self.sessions.pop(root).stop()

    async def close(self) -> None:
        """Stop every session and let go of the store."""
        for root in list(self.sessions):
            await self.remove(root)
        await self.owner.run(self.store.close)
        self.owner.close()

    async def status(self, session: Session) -> Status:
        """Return where a working tree stands, and its teammates."""
        return await self.owner.run(self._status, session)

    def _status(self, session: Session) -> Status:
        tip, objects = session.branch.tip, self.store.objects
        assert tip is not None
        withheld = session.branch.withheld | session.snapshots.unreadable
        return Status(
            repository=session.worktree.root,
            member=self.member,
            branch=session.branch.name,
            tip=tip.oid,
            tree=tip.tree,
            shared_tip=tip.shared,
            shared_tree=objects.commit(tip.shared).tree,
            state=session.state(),
            base=tip.base,
            head=(session.head.branch or "").removeprefix("refs/heads/"),
            changed_at=tip.time,
            hopped_to="",
            withheld=[Withheld(path, reason) for path, reason in sorted(withheld.items())],
            files=self._files(tip.base, tip.tree),
        )

    def _files(self, base: str, tree: str) -> list[str]:
        """Return the paths in which a tree differs from a commit's."""
        objects = self.store.objects
        return sorted(path for path, _, _ in objects.difference(objects.commit(base).tree, tree))

    async def save(self, session: Session, wait_for: list[str] | None, patience: float) -> Saved:
        """Take an exact snapshot; wait at most `patience` seconds until teammates hold it (None: all connected)."""
        tip = await session.save()
        return Saved(tip.oid, tip.tree, tip.shared)

    async def log(self, session: Session, name: str, limit: int) -> Log:
        """Return the newest snapshots of a live branch; raise UnknownMember where there is none of that name."""
        return await self.owner.run(self._log, name or session.branch.name, limit)

    def _log(self, branch: str, limit: int) -> Log:
        tip = self.store.ref(LIVE + branch)
        if tip is None:
            raise UnknownMember(f"{branch} has no live branch here", name=branch)
        entries = islice(timeline(self.store.objects, tip), limit)
        return Log(branch, [LogEntry(s.oid, s.tree, s.base, s.event, s.title, s.time) for s in entries])

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Event]]:
        """Yield a queue that gets every event until the end of the block; who does not read loses the oldest."""
        events: asyncio.Queue[Event] = asyncio.Queue(SUBSCRIBER_LIMIT)
        self._subscribers.add(events)
        try:
            yield events
        finally:
            self._subscribers.discard(events)

    def tell(self, event: str, member: str, tip: str = "", tree: str = "") -> None:
        """Tell every subscriber that something happened."""
        for events in self._subscribers:
            if events.full():
                events.get_nowait()
            events.put_nowait(Event(time.time(), event, member, tip, tree))

    def _on_snapshot(self, session: Session, snapshot: Snapshot) -> None:
        self.tell(snapshot.event.partition(" ")[0], session.branch.name, snapshot.oid, snapshot.tree)

    def _branch_name(self, worktree: Worktree, member: str) -> str:
        """Return the name of a working tree's live branch: the member's, or `member+folder` for all but the first."""
        path = os.path.join(self.store.folder, "worktrees.json")
        known: dict[str, str] = {}
        with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="surrogateescape") as source:
            known = json.load(source)
        suffix = known.get(worktree.git_dir)
        if suffix is None:
            suffix = _free_suffix(os.path.basename(worktree.root), set(known.values())) if known else ""
            known[worktree.git_dir] = suffix
            write_whole(path, json.dumps(known).encode(errors="surrogateescape"))
        return f"{member}+{suffix}" if suffix else member


def _free_suffix(folder: str, taken: set[str]) -> str:
    """Return what stands behind the `+`: the folder's name in letters that a branch may have, numbered when taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "worktree"
    numbered = (f"{plain}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (plain, *numbered) if name not in taken)
