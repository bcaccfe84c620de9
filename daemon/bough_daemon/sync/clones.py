"""Several clones of one project under one home: each is a separate member of a team.

Two stores that write one branch would overwrite each other's. So a clone that joins a team which another clone of the
same home is in gets its own key, listener and name, kept below `clones/` in the home.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bough_daemon.api.settings import read_settings
from bough_daemon.errors import BadSetting, PortTaken
from bough_daemon.home import Home
from bough_daemon.store.store import Store
from bough_daemon.sync.discovery import Discovery, Seeker
from bough_daemon.sync.listener import ListenSettings, PeerListener
from bough_daemon.system.failing import Failing
from bough_daemon.system.network_watch import watch_network
from bough_daemon.system.opened import Opened
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.threads import to_the_end
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.names import MOST_NAMES, further_names, owner_of
from bough_daemon.team.roster import Admission, Roster
from bough_daemon.team.team_files import Team, note_of, now_ms

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seat:
    """The identity of a repository in a team. `names`: possible names there, best first.

    `listener`: that of its member. `other`: the clone of the same home that is in the team as another member, empty for
    none. `roster`, `owner`: that team, and the member of this home whose clone it will be there. `is_new`: whether the
    member was created for this.
    """

    listener: PeerListener
    names: list[str]
    other: str = ""
    roster: Roster | None = None
    owner: Identity | None = None
    is_new: bool = False

    def admission(self, name: str) -> Admission | None:
        """Return the admission for a name by the member whose clone this is, if only that member may admit it."""
        if self.roster is None or self.owner is None:
            return None
        me = self.listener.identity
        return self.roster.signed(self.owner, name, me.key, me.certificate, me.vouch, now_ms())


class Listeners:
    """The listeners of one daemon: `main`, the home's, and one for each clone that is a separate member."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.main = PeerListener(home, load_identity(home))
        self._others: dict[str, PeerListener] = {}
        self._background = Supervisor()
        self._discovers = True
        self._discovery = Discovery(self._seekers, lambda: self._discovers)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for the home's member until the end of the block, and for clones as needed."""
        async with Opened() as opened:
            opened.push_async_callback(self._stop)
            await self.main.start(self._settings())
            opened.push_async_callback(self._background.close)
            self._background.keep("watching the network", partial(watch_network, self._network_changed))
            self._background.keep("looking for teammates on the local network", self._discovery.run)
            yield

    def failing(self) -> list[Failing]:
        """Return the failures of the background work."""
        return self._background.failing()

    def _network_changed(self, slept: bool) -> None:
        for listener in (self.main, *self._others.values()):
            listener.network_changed(slept)
        self._discovery.look_soon()

    def _seekers(self) -> list[Seeker]:
        return [room.reach for one in (self.main, *self._others.values()) for room in one.rooms.values()]

    async def follow_setting(self) -> list[str]:
        """Listen where the settings say now; return what the user should know."""
        notes, settings = list[str](), self._settings()
        for listener in (self.main, *self._others.values()):
            try:
                await listener.follow(settings)
            except PortTaken as taken:
                notes.append(taken.message)
        return notes

    def _settings(self) -> ListenSettings:
        try:
            said = read_settings(self._home)
        except BadSetting as bad:
            log.warning("%s", bad.message)  # `doctor` reports it
            return ListenSettings(self.main.door.setting)
        self._discovers = bool(said.value("team.discovery"))
        return ListenSettings(said.text("team.listen"), said.number("team.port"), said.text("team.advertise"))

    async def of(self, store: Store) -> PeerListener:
        """Return the started listener of a repository's member."""
        clone = note_of(store.folder).clone
        if not clone or not os.path.exists(self._home.clone(clone).path("identity.json")):
            return self.main
        return self._others.get(clone) or await self._open(clone)

    async def seat(
        self, store: Store, team: str, folder: str, member: str, wished: str, *, is_doubled: bool = False
    ) -> Seat:
        """Return the identity of a repository in a team that it joins; `leave` it if joining fails.

        `folder`: the working tree's name. `member`: the repository's current name, in a team of its own. `is_doubled`:
        whether another machine already is that member.
        """
        listener = await self.of(store)
        known = Team.known(listener.home, team)
        if known is None:
            return Seat(listener, [wished or member])
        me = known.roster.by_key(listener.identity.key)
        name = me.name if me is not None else member
        if me is None:  # removed: neither that key nor that name can join again
            names = [wished] if wished else [name, *(f"{name}-{number}" for number in range(2, MOST_NAMES))]
            return Seat(await self._open(secrets.token_hex(8)), names, is_new=True)
        if not known.is_elsewhere(store.common_dir) and not is_doubled:
            return Seat(listener, [wished or name])
        names = [wished] if wished else further_names(name, folder)
        owner = known.roster.by_key(self.main.identity.key)
        mine = self.main.identity if owner is not None and all(owner_of(one) == owner.name for one in names) else None
        other = os.path.dirname(known.repository) if known.is_elsewhere(store.common_dir) else ""
        return Seat(await self._open(secrets.token_hex(8)), names, other, known.roster, mine, is_new=True)

    async def leave(self, seat: Seat) -> None:
        """Discard the member that was created for a seat, if any."""
        if seat.is_new:
            await self._drop(seat.listener)

    async def forget(self, store_folder: str) -> None:
        """Remove a repository's team from the home, and its member if that was the clone's own."""
        note = note_of(store_folder)
        home = self._home.clone(note.clone) if note.clone else self._home
        known = Team.known(home, note.team)
        if known is not None and not known.is_elsewhere(os.path.dirname(store_folder)):
            shutil.rmtree(known.folder, ignore_errors=True)
        if note.clone and os.path.isdir(home.path("teams")) and not os.listdir(home.path("teams")):
            await self._drop(self._others.get(note.clone) or PeerListener(home, load_identity(home)))

    async def _stop(self) -> None:
        for listener in (self.main, *self._others.values()):
            await listener.stop()

    async def _open(self, clone: str) -> PeerListener:
        home = self._home.clone(clone)
        listener = PeerListener(home, load_identity(home))
        self._others[clone] = listener
        try:
            await listener.start(self._settings())
        except BaseException:
            del self._others[clone]
            await to_the_end(listener.stop())
            raise
        return listener

    async def _drop(self, listener: PeerListener) -> None:
        self._others.pop(listener.home.clone_name, None)
        await listener.stop()
        shutil.rmtree(listener.home.root, ignore_errors=True)
