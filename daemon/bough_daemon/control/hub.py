"""The teams in which this daemon is a hub: a member without a working tree that keeps every branch."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable

from bough_daemon.api.records import HubBranch, HubMember, HubStatus, HubTeam, JoinedAsHub, LeftAsHub
from bough_daemon.control.repository import Repository, Where
from bough_daemon.errors import NoSuchTeam
from bough_daemon.git.command import GitCommand
from bough_daemon.home import Home
from bough_daemon.sync.clones import Listeners
from bough_daemon.team.branch_state import KnownBranch
from bough_daemon.team.names import check_member_name
from bough_daemon.team.team_files import note_of
from bough_daemon.team.tickets import Ticket

log = logging.getLogger(__name__)


class TeamHub:
    """What a daemon does as a hub. On the event loop.

    Each team has its own empty bare repository below `hub/` in the home, named by the team, with a store like any
    member's. `open_repository` makes one live and `close` ends that; both take the repository's folder.
    """

    def __init__(
        self,
        home: Home,
        listeners: Listeners,
        open_repository: Callable[[str], Awaitable[Repository]],
        close: Callable[[str], Awaitable[None]],
    ) -> None:
        self._folder = home.path("hub")
        self._listeners = listeners
        self._open = open_repository
        self._close = close
        self._changing = asyncio.Lock()
        self._brought_back = asyncio.Event()
        self._teams: dict[str, Repository] = {}

    async def join(self, ticket: str, name: str, where: Where) -> JoinedAsHub:
        """Join the team of a ticket as `name` or, if that is empty, as `hub`; if that fails, nothing is kept.

        Raises BadTicket, BadName, NameTaken, PeerUnreachable or PeerRefused.
        """
        team = Ticket.parse(ticket).team
        if name:
            check_member_name(name)
        async with self._changing:
            is_new = not os.path.exists(self._folder_of(team))
            try:
                joined = await (await self._open_team(team)).join(ticket, name, where)
            except BaseException:
                if is_new:
                    await self._forget(team)
                raise
        return JoinedAsHub(joined.member, joined.teammates, joined.opened, bool(joined.met))

    async def leave(self, team: str) -> LeftAsHub:
        """Leave the team whose id begins with the given text and delete its data; raise NoSuchTeam."""
        async with self._changing:
            found = [known for known in self._teams if known.startswith(team)]
            if len(found) != 1:
                many = "more than one team has" if found else "no team has"
                raise NoSuchTeam(f"{many} an id that begins with {team}")
            sync = self._teams[found[0]].sync
            told = await sync.leave() if not sync.why_out() else []
            await self._forget(found[0])
        return LeftAsHub(found[0], told)

    async def bring_back(self) -> dict[str, Exception]:
        """Reconnect with every joined team; return the failures by folder. Unfinished joins are removed."""
        failures = dict[str, Exception]()
        try:
            async with self._changing:
                for team in sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else []:
                    try:
                        if note_of(os.path.join(self._folder_of(team), "bough")).team != team:
                            log.warning("joining the team %s was cut short; what is left of it is removed", team)
                            await self._forget(team)
                        else:
                            await self._open_team(team)
                    except Exception as failure:  # the others are resumed nevertheless
                        failures[self._folder_of(team)] = failure
        finally:
            self._brought_back.set()
        return failures

    async def status(self) -> HubStatus:
        """Return the teams, their members and what is kept for each, once all are open after a start."""
        await self._brought_back.wait()
        listening = [one for team in self._teams.values() for one in team.sync.listening()]
        return HubStatus([_team(team) for team in self._teams.values()], list(dict.fromkeys(listening)))

    def _folder_of(self, team: str) -> str:
        return os.path.join(self._folder, team)

    async def _open_team(self, team: str) -> Repository:
        if team not in self._teams:
            await asyncio.to_thread(_make, self._folder_of(team))
            self._teams[team] = await self._open(self._folder_of(team))
        return self._teams[team]

    async def _forget(self, team: str) -> None:
        if self._teams.pop(team, None) is not None:
            await self._close(self._folder_of(team))
        await self._listeners.forget(os.path.join(self._folder_of(team), "bough"))
        await asyncio.to_thread(shutil.rmtree, self._folder_of(team), ignore_errors=True)


def _make(folder: str) -> None:
    """Create the empty repository that a hub's store belongs to, unless it exists."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    GitCommand(folder).run("init", "-q", "--bare", "--template=", "--object-format=sha1")


def _team(repository: Repository) -> HubTeam:
    sync, quota = repository.sync, repository.quota
    members = dict[str, HubMember]()
    for one in sync.teammates():
        _add(members.setdefault(one.name, HubMember(one.name, one.connected, not_taken=one.not_taken)), one)
    told = HubTeam(sync.team_id, sync.member, list(members.values()), quota.used, quota.limit, sync.why_out())
    told.failing, told.notices = repository.failing(), [*quota.notices(), *sync.notices()]
    return told


def _add(member: HubMember, known: KnownBranch) -> None:
    if known.tip is not None:
        member.branches.append(HubBranch(known.branch, known.tip, known.time / 1e3))
        member.changed_at = max(member.changed_at, known.time / 1e3)
