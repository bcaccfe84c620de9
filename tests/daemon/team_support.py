"""Members of a team for the tests: each a clone, a store, a listener and a sync of its own, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bough_daemon.errors import StoreOwned
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.home import Home
from bough_daemon.store.packs import Limits
from bough_daemon.store.store import LIVE, SHARED, Store
from bough_daemon.sync.listener import PeerListener
from bough_daemon.sync.team_sync import KeptTeam, TeamEvent, TeamSync
from bough_daemon.system.opened import Opened
from bough_daemon.system.threads import StoreThread
from bough_daemon.team.identity import load_identity

from tests.daemon.support import git

DEADLINE = 40.0  # seconds, which only a run that fails waits for


async def eventually(holds: Callable[[], object], what: str = "it") -> None:
    """Wait until `holds` is true; fail when it is not by the deadline."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, f"{what} did not happen in {DEADLINE} s"
        await asyncio.sleep(0.005)


def open_store(common_dir: Path, home: Path) -> Store:
    """Open a store that was just closed; a child of this process that is being started may hold its lock a moment."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return Store(str(common_dir), str(home))
        except StoreOwned:
            assert time.monotonic() < end


@dataclass
class Side:
    """One member's machine."""

    name: str
    root: Path
    home: Home
    store: Store
    owner: StoreThread
    listener: PeerListener
    sync: TeamSync
    opened: AsyncExitStack
    talking: AsyncExitStack
    events: list[TeamEvent] = field(default_factory=list)

    @classmethod
    async def start(cls, root: Path, home: Path, name: str, limits: Limits | None = None) -> Side:
        """Open the repository's store and start its sync."""
        place = Home(str(home), str(home))
        async with Opened() as opened:
            owner = StoreThread(f"store-{name}")
            opened.callback(owner.close)
            store = await owner.run(open_store, root / ".git", home)
            opened.push_async_callback(owner.run, store.close)
            await owner.run(store.arrive, git(root, "rev-parse", "HEAD"))
            listener = PeerListener(place, load_identity(place))
            opened.push_async_callback(listener.stop)
            await listener.start()
            events: list[TeamEvent] = []
            kept = await KeptTeam.of(place, store, owner, listener.identity, name)
            sync = TeamSync(place, store, owner, listener, name, events.append, kept, limits)
            talking = await opened.enter_async_context(AsyncExitStack())
            await talking.enter_async_context(sync.running())
            left = opened.pop_all()
        return cls(name, root, place, store, owner, listener, sync, left, talking, events)

    async def stop(self) -> None:
        """Stop everything, as `bough down` would."""
        await self.opened.aclose()

    @classmethod
    async def restart(cls, side: Side) -> Side:
        """Start the machine of a side whose sync was stopped anew."""
        await side.stop()
        return await cls.start(side.root, Path(side.home.root), side.name)

    async def save(self, files: dict[str, bytes], publish: bool = True) -> str:
        """Put a snapshot of `files` on the live branch, nothing withheld, and tell the team; return its id."""
        tip = await self.owner.run(self._save, files)
        if publish:
            await self.sync.publish(self.sync.member, tip, git(self.root, "rev-parse", "HEAD"))
        return tip

    def _save(self, files: dict[str, bytes]) -> str:
        objects, name = self.store.objects, self.sync.member
        last = self.store.ref(LIVE + name)
        parent = last or git(self.root, "rev-parse", "HEAD")
        changes = {path: TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
        tree = objects.splice(objects.commit(parent).tree, changes)
        tip = objects.write_commit(tree, [parent], f"{name} <{name}@example.org>", int(time.time()), "save\n")
        self.store.set_ref(SHARED + name, tip, self.store.ref(SHARED + name))
        self.store.set_ref(LIVE + name, tip, last)
        return tip

    def tip_of(self, name: str) -> str | None:
        """Return what is known here of a teammate's branch."""
        return next((mate.tip for mate in self.sync.teammates() if mate.branch == name), None)

    def is_connected(self, name: str) -> bool:
        """Return whether this member is talking with another."""
        return any(mate.connected for mate in self.sync.teammates() if mate.name == name)
