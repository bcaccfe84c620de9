"""How members are reached: this member's addresses, and when each teammate was last connected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.errors import AlreadyInTeam, PeerRefused
from bough_daemon.sync.connections import Connections
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import Learned
from bough_daemon.sync.listener import PeerListener
from bough_daemon.sync.meeting import meet, met
from bough_daemon.sync.messages import Gossip
from bough_daemon.system.addresses import is_loopback
from bough_daemon.team.identity import fingerprint
from bough_daemon.team.roster import MOST_ADDRESSES, Contact
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket

MEETING_SECONDS = 10.0  # that a command waits for the connection

REMEDY = "Have {0} run `bough status`, which starts Bough there, or `bough invite`: `bough join TICKET` reconnects you."


@dataclass(frozen=True)
class WayTo:
    """How a teammate is reached. `through`: the teammates connected with them, if this member is not.

    `offline_since`: when they were last connected, in seconds since the epoch; 0: not since the daemon started, or they
    are connected. `unreachable`: why calls fail; empty: none has. `remedy`: what can be done about that.
    """

    through: list[str] = field(default_factory=list)
    offline_since: float = 0.0
    unreachable: str = ""
    remedy: str = ""


class Reachability:
    """What one member knows about the connections in a team. On the loop's thread only.

    `seen`: when others were last connected, by key, in milliseconds since the epoch.
    """

    def __init__(
        self,
        team: Team,
        exchange: Exchange,
        connections: Connections,
        listener: PeerListener,
        seen: dict[bytes, int],
    ) -> None:
        self._team = team
        self._exchange = exchange
        self._connections = connections
        self._listener = listener
        self.seen = seen
        self._came = asyncio.Event()

    def moved(self) -> None:
        """Tell the team where this daemon listens, if that has changed."""
        if self._exchange.is_out:
            return
        contact = self._team.roster.contacts.get(self._exchange.key)
        if contact is None or contact.addresses != self._listener.addresses()[:MOST_ADDRESSES]:
            self.announce()

    def announce(self) -> None:
        """Tell the team where this daemon listens."""
        contact = self._team.roster.announce(self._listener.identity, self._listener.addresses(), now_ms())
        self._team.save_roster()
        self._exchange.spread([], [contact])
        self._connections.do([])

    def network_changed(self, *, slept: bool) -> None:
        """Announce new addresses, and call everyone who is not connected, or no longer, at once.

        `slept`: this machine was asleep, so that seemingly open connections may be dead.
        """
        self._connections.drop_stale(all_of_them=slept)
        self.moved()
        self._connections.calls.at_once()

    def presence(self, member: str, *, here: bool) -> None:
        """Record that a member is connected, or no longer; with the first one connected, try the others again too."""
        entry = self._team.roster.members.get(member)
        if entry is not None:
            self.seen[entry.key] = now_ms()
        self._came.set()
        if here and self._connections.connected() <= {member}:
            self._connections.calls.at_once()

    def learned(self, news: Learned) -> None:
        """Call new members, and those with new addresses, at once."""
        self._connections.calls.begin()
        self._connections.calls.at_once(self._names(news.contacts))

    def _names(self, contacts: Iterable[Contact]) -> set[str]:
        keys = {contact.key for contact in contacts}
        return {name for name, entry in self._team.roster.members.items() if entry.key in keys}

    def speaks_otherwise(self, member: str) -> None:
        """Record that a member runs an incompatible version of Bough: nothing can be exchanged with them."""
        self._connections.calls.other_versions.add(member)

    def other_versions(self) -> list[str]:
        """Return the members with an incompatible version of Bough."""
        return sorted(self._connections.calls.other_versions & self._team.roster.members.keys())

    async def meet(self, ticket: Ticket) -> tuple[str, bool]:
        """Reconnect with the maker of a ticket of this team, or a deputy; return their name, and whether it worked.

        Raises PeerUnreachable or PeerRefused; then nothing has changed.
        """
        identity, roster = self._listener.identity, self._team.roster
        if ticket.fingerprint == fingerprint(identity.certificate):
            raise AlreadyInTeam("this ticket was made here; it is for others", team=roster.team)
        self.moved()
        said, answerer = await meet(ticket, identity, roster.contacts[identity.key])
        self._connections.do(self._exchange.learn(said, now_ms()))
        found = (one for one in roster.members.values() if fingerprint(one.certificate) == answerer)
        maker = next(found, None)
        if maker is None:
            raise PeerRefused("the member who made the ticket is no longer in the team")
        self._connections.calls.at_once({maker.name})
        with suppress(TimeoutError):
            async with asyncio.timeout(MEETING_SECONDS):
                while maker.name not in self._connections.connected():
                    self._came.clear()
                    await self._came.wait()
        return maker.name, maker.name in self._connections.connected()

    async def be_met(self, request: pb.MeetRequest) -> pb.MeetResponse:
        """Exchange addresses between a member and the team; raise PeerRefused for anyone else."""
        answer, contact = met(self._team.roster, self._listener.identity, request)
        self._connections.do(self._exchange.learn(Gossip(contacts=(contact,)), now_ms()))
        return answer

    @property
    def team_id(self) -> str:
        """The team's id."""
        return self._team.roster.team

    @property
    def key(self) -> bytes:
        """The key that this member signs with."""
        return self._exchange.key

    @property
    def port(self) -> int:
        """The port on which teammates call; 0: only this machine can."""
        return 0 if is_loopback(self._listener.door.host) else self._listener.door.port

    def missing(self) -> Mapping[bytes, str]:
        """Return the names of teammates who are not connected, by their keys."""
        if self._exchange.is_out:
            return {}
        here = {*self._connections.connected(), self._exchange.member}
        return {entry.key: name for name, entry in self._team.roster.members.items() if name not in here}

    def found(self, name: str, address: str) -> None:
        """Call a teammate at a possible address."""
        self._connections.calls.try_at(name, address)

    def through(self, member: str) -> list[str]:
        """Return the teammates through whom an unconnected member is reached."""
        return self._exchange.relay.through(member) if not self._exchange.is_out else []

    def way_to(self, member: str) -> WayTo:
        """Return how a teammate is reached, or why not."""
        through = self.through(member)
        if through or member in self._connections.connected():
            return WayTo(through)
        entry, failure = self._team.roster.members.get(member), self._connections.calls.failures.get(member)
        seen = self.seen_at(entry.key) if entry is not None else 0.0
        if failure is None:
            return WayTo([], seen)
        if not failure.address:
            return WayTo([], seen, f"no address of {member} is known", REMEDY.format(member))
        return WayTo([], seen, f"cannot reach {member} at {failure.address}: {failure.reason}", REMEDY.format(member))

    def seen_at(self, key: bytes) -> float:
        """Return when a member was last connected, in seconds since the epoch; 0: not since the daemon started."""
        return self.seen.get(key, 0) / 1e3
