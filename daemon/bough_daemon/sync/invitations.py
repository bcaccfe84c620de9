"""The valid tickets: create one, admit its holder, and listen for new members while one is valid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.api.notices import Notice, TicketOverused
from bough_daemon.api.records import TicketRecord
from bough_daemon.errors import InviterGone, PortTaken
from bough_daemon.store.store import Store
from bough_daemon.sync.connections import Connections
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import TicketsHeard
from bough_daemon.sync.joining import check_ticket, take_ticket, unrelated, welcome
from bough_daemon.sync.listener import PeerListener
from bough_daemon.system.addresses import join_address, split_address
from bough_daemon.system.threads import StoreThread
from bough_daemon.team.branch_state import BranchKind
from bough_daemon.team.identity import fingerprint
from bough_daemon.team.invites import MOST_DEPUTIES, Invite, TicketUse
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket, TicketAnswerer, new_secret

ANSWER_AGAIN_MS = 60_000
REVOKED_MS = 3600_000  # for which the holder of a revoked ticket is told so
DEPUTY_ADDRESSES = 3  # of each deputy, in a ticket
LONGEST_LOOK = 30.0  # seconds at most between two looks at the clock while a ticket is valid


@dataclass(frozen=True)
class InviteMade:
    """A ticket, and the addresses opened for its holder."""

    ticket: str
    opened: list[str]
    invite: Invite


class Invitations:
    """The tickets of one member in one team. On the loop's thread; the store is used through its `owner`.

    `joined` is called with the name of each new member.
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
    ) -> None:
        self._team = team
        self._exchange = exchange
        self._connections = connections
        self._listener = listener
        self._identity = listener.identity
        self._store = store
        self._owner = owner
        self._joined = joined
        self._arrived: set[bytes] = (
            set()
        )  # who joined with a ticket and was seen since, so that the answer was not lost
        self._changed = asyncio.Event()

    async def invite(self, listen: str | None, valid_ms: int, uses: int) -> InviteMade:
        """Create a ticket that admits `uses` people, and open the addresses that its holders will call.

        `listen`: `HOST`, `HOST:PORT` or `:PORT`; None: what is already open, else every interface. Raises PortTaken,
        TooManyTickets, or BadUsage for an invalid number or time.
        """
        secret, now, team = new_secret(), now_ms(), self._team.roster.team
        deputies = self._deputies()
        keys = tuple(key for key, _ in deputies)
        invite = Invite.made(secret, team, self._identity, now, valid_ms, uses, keys)
        self._team.invites = self._team.invites.with_new(invite, now)
        try:
            opened = await self._listener.open(listen)
            opened += await self._listener.expect(team, True, anywhere=True)
            self._team.save_roster()
        except (OSError, PortTaken):
            self._team.invites = self._team.invites.without(invite.key)
            raise
        finally:
            self._changed.set()
        self._tell([invite], [])
        answerers = tuple(answerer for _, answerer in deputies)
        addresses, maker = self._listener.join_addresses(), fingerprint(self._identity.certificate)
        ticket = Ticket(team, maker, secret, addresses, invite.expires // 1000, answerers)
        return InviteMade(str(ticket), opened, invite)

    def _deputies(self) -> list[tuple[bytes, TicketAnswerer]]:
        """Return the keys of members who can also admit the holder of a new ticket, and their addresses.

        They are connected and reachable from the network: hubs first, then the longest-standing members.
        """
        found, roster = list[tuple[bytes, TicketAnswerer]](), self._team.roster
        connected = self._connections.connected()
        hellos = self._connections.hellos
        is_person = {name: name not in hellos or not hellos[name].hub for name in roster.members}
        for name, member in sorted(roster.members.items(), key=lambda one: is_person[one[0]]):
            said = hellos.get(name)
            if name in connected and said is not None and said.join_port:
                hosts = dict.fromkeys(split_address(address)[0] for address in roster.addresses(name))
                addresses = tuple(join_address(host, said.join_port) for host in list(hosts)[:DEPUTY_ADDRESSES])
                found += [(member.key, TicketAnswerer(fingerprint(member.certificate), addresses))] if addresses else []
        return found[:MOST_DEPUTIES]

    def _tell(self, invites: Iterable[Invite], uses: Iterable[TicketUse], besides: str = "") -> None:
        self._exchange.spread_tickets(invites, uses, besides=besides)
        self._connections.do([])

    def greet(self, member: str) -> None:
        """Tell a newly connected member about the known tickets."""
        kept, roster = self._team.invites.kept(now_ms()), self._team.roster
        invites = [one for one in kept.made.values() if roster.by_key(one.maker) is not None]
        known = {one.key for one in invites}
        self._exchange.spread_tickets(invites, [use for use in kept.uses.values() if use.ticket in known], to=member)

    def heard(self, said: TicketsHeard) -> None:
        """Keep what is new in a member's message about tickets, and pass it on."""
        before = self._team.invites
        self._team.invites, invites, uses = before.with_heard(self._team.roster, said.invites, said.uses, now_ms())
        if invites or uses:
            self._team.save_roster()
            self._changed.set()
            self._tell(invites, uses, said.peer)

    def notices(self) -> list[Notice]:
        """Return what the user should know about the tickets that they created."""
        name_of, mine = self._team.roster.name_of, self._identity.key
        return [
            TicketOverused(invite.id, invite.uses, [name_of(use.key) for use in users])
            for invite, users in self._team.invites.overused()
            if invite.maker == mine
        ]

    def revoke(self, id: str) -> None:
        """Revoke the ticket whose id begins with `id`; members who joined with it stay. Raise UnknownTicket."""
        before, invite = self._team.invites, self._team.invites.named(id)
        revoked = replace(invite, revoked=invite.revoked or now_ms()).signed(self._team.roster.team, self._identity)
        self._team.invites = before.with_revoked(revoked)
        try:
            self._team.save_roster()
        except OSError:
            self._team.invites = before
            raise
        self._changed.set()
        self._tell([revoked], [])

    def listed(self) -> list[TicketRecord]:
        """Return the tickets that were created here, newest first."""
        mine = [one for one in self._team.invites.made.values() if one.maker == self._identity.key]
        return [self._record(one) for one in sorted(mine, key=lambda one: -one.time)]

    def _record(self, invite: Invite) -> TicketRecord:
        invites, roster = self._team.invites, self._team.roster
        state = "revoked" if invite.revoked else "used" if not invites.left(invite) else "valid"
        return TicketRecord(
            id=invite.id,
            made_at=invite.time / 1e3,
            expires_at=invite.expires / 1e3,
            uses=invite.uses,
            left=invites.left(invite),
            members=[roster.name_of(use.key) for use in invites.users(invite.key)],
            state="expired" if state == "valid" and invite.expires <= now_ms() else state,
        )

    async def let_in(self, request: pb.JoinRequest) -> pb.JoinResponse:
        """Admit the holder of a ticket to the team, or raise the reason: then the ticket is still valid.

        Using the ticket and admitting its holder are one write: of two simultaneous holders one is admitted, even if
        the daemon is killed in between.
        """
        if self._exchange.is_out:
            raise InviterGone("the member who made the ticket is no longer in the team")
        check_ticket(self._team, self._identity.key, request, now_ms())
        refusal = await unrelated(request, self._store, self._owner)
        if refusal is not None:
            return refusal
        before = self._team.roster.by_key(request.key)
        branches = {key.branch for key in self._exchange.known if key.kind is BranchKind.LIVE}
        entry = take_ticket(self._team, self._identity, request, branches)
        self._arrived.discard(entry.key)
        self._changed.set()
        self._tell([], [self._team.invites.uses[request.ticket, request.key]])
        if before is None:
            self._listener.refresh()
            self._exchange.spread([entry], [])
            self._connections.do([])
            self._connections.calls.begin()
            self._joined(entry.name)
        return welcome(self._team.roster, self._identity.key)

    def seen(self, key: bytes) -> None:
        """Record that a member is connected: the answer to their ticket has arrived."""
        if key not in self._arrived and any(use.key == key for use in self._team.invites.uses.values()):
            self._arrived.add(key)
            self._changed.set()

    def look_again(self) -> None:
        """Check again whether to listen for new members."""
        self._changed.set()

    async def begin(self) -> None:
        """Start listening if a ticket is valid; if the port is taken now, `keep_listening` tries again."""
        with suppress(PortTaken):
            await self._listen()

    async def keep_listening(self) -> None:
        """Listen for new members while a ticket that this member answers for is neither used up nor expired."""
        while True:
            self._changed.clear()
            until = await self._listen()
            left = min((until - now_ms()) / 1e3, LONGEST_LOOK) if until is not None else None
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    async def _listen(self) -> int | None:
        """Listen while a ticket is valid, and return the time until when; raise PortTaken."""
        until = self._until()
        await self._listener.expect(self._team.roster.team, until is not None)
        return until

    def _until(self) -> int | None:
        """Return when to check again, in milliseconds since the epoch; None if no ticket is valid.

        A used ticket is answered a little longer, for the same holder, until they were seen: the answer may be lost. So
        is a revoked one: its holder is told so.
        """
        now, invites = now_ms(), self._team.invites
        mine = [one for one in invites.made.values() if one.answered_by(self._identity.key)]
        times = [invite.expires for invite in invites.out(now) if invite in mine]
        used = (use for use in invites.uses.values() if use.admitter == self._identity.key)
        times += [use.time + ANSWER_AGAIN_MS for use in used if use.key not in self._arrived]
        times += [min(one.expires, one.revoked + REVOKED_MS) for one in mine if one.revoked]
        return min((time for time in times if time > now), default=None) if not self._exchange.is_out else None
