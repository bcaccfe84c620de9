"""The tickets that are out: make one, let its holder in, and listen for new members as long as one is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.errors import InviterGone, PortTaken
from bough_daemon.store.store import Store
from bough_daemon.sync.connections import Connections
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.joining import take_ticket, unrelated, welcome
from bough_daemon.sync.listener import PeerListener
from bough_daemon.system.threads import StoreThread
from bough_daemon.team.branch_state import BranchKind
from bough_daemon.team.identity import fingerprint
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket, new_secret

ANSWER_AGAIN_MS = 60_000
LONGEST_LOOK = 30.0  # seconds until the clock is looked at again while a ticket is out


@dataclass(frozen=True)
class InviteMade:
    """A ticket, and what was opened so that its holder can come in."""

    ticket: str
    opened: list[str]


class Invitations:
    """What one member does about tickets in one team. On the loop's thread; the store is used through its `owner`.

    `joined` is told the name of each new member. `answered`: until when the user of a ticket may ask for the answer
    again, by key, in milliseconds since the epoch.
    """

    def __init__(
        self,
        team: Team,
        exchange: Exchange,
        connections: Connections,
        listener: PeerListener,
        store: Store,
        owner: StoreThread,
        joined: Callable[[str], None],
        answered: dict[bytes, int],
    ) -> None:
        self._team = team
        self._exchange = exchange
        self._connections = connections
        self._listener = listener
        self._identity = listener.identity
        self._store = store
        self._owner = owner
        self._joined = joined
        self._answered = answered
        self._changed = asyncio.Event()

    async def invite(self, listen: str | None = None) -> InviteMade:
        """Make a ticket that lets one person in, and open what its holder will call; raise PortTaken.

        `listen`: `HOST`, `HOST:PORT` or `:PORT`; None for where it is open already, else for every interface.
        """
        secret = new_secret()
        self._team.invites = self._team.invites.with_new(secret, now_ms())
        try:
            opened = await self._listener.open(listen)
            opened += await self._listener.expect(self._team.roster.team, True, anywhere=True)
            self._team.save_roster()
        except (OSError, PortTaken):
            self._team.invites = self._team.invites.without(secret)
            raise
        finally:
            self._changed.set()
        addresses = self._listener.join_addresses()
        ticket = Ticket(self._team.roster.team, fingerprint(self._identity.certificate), secret, addresses)
        return InviteMade(str(ticket), opened)

    async def let_in(self, request: pb.JoinRequest) -> pb.JoinResponse:
        """Let the holder of a ticket into the team, or raise why not: then the ticket is still good.

        Spending the ticket and admitting its holder are one write: of two who come at once one is let in, also when
        the daemon is killed on the way.
        """
        if self._exchange.is_out:
            raise InviterGone("the member who made the ticket is no longer in the team")
        self._team.invites.spent(request.secret, request.key, now_ms())
        refusal = await unrelated(request, self._store, self._owner)
        if refusal is not None:
            return refusal
        before = self._team.roster.by_key(request.key)
        branches = {key.branch for key in self._exchange.known if key.kind is BranchKind.LIVE}
        entry = take_ticket(self._team, self._identity, request, branches)
        self._answered[entry.key] = now_ms() + ANSWER_AGAIN_MS
        self._changed.set()
        if before is None:
            self._listener.refresh()
            self._exchange.spread([entry], [])
            self._connections.do([])
            self._connections.call_everyone()
            self._joined(entry.name)
        return welcome(self._team.roster, self._identity.key)

    def seen(self, key: bytes) -> None:
        """Note that a member is here: the answer to their ticket has arrived."""
        if self._answered.pop(key, None) is not None:
            self._changed.set()

    def look_again(self) -> None:
        """See again whether new members are to be listened for."""
        self._changed.set()

    async def begin(self) -> None:
        """Listen at once where a ticket is out; a port that is taken now is tried again by `keep_listening`."""
        with suppress(PortTaken):
            await self._listen()

    async def keep_listening(self) -> None:
        """Listen for new members while a ticket is out: made here, neither used nor expired."""
        while True:
            self._changed.clear()
            until = await self._listen()
            left = min((until - now_ms()) / 1e3, LONGEST_LOOK) if until is not None else None
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    async def _listen(self) -> int | None:
        """Listen while a ticket is out, and return how long one is; raise PortTaken."""
        until = self._until()
        await self._listener.expect(self._team.roster.team, until is not None)
        return until

    def _until(self) -> int | None:
        """Return when the first ticket expires, in milliseconds since the epoch; None if no ticket is out.

        One that was used is good a little longer, for the same one, until they were seen: the answer may be lost.
        """
        now = now_ms()
        times = [invite.expires for invite in self._team.invites.valid(now) if invite.spent_by is None]
        times += [until for until in self._answered.values() if until > now]
        return min(times, default=None) if not self._exchange.is_out else None
