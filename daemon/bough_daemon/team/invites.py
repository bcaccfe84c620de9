"""What members know about tickets: who created each, for how many and how long, and who joined with it.

Only the public key of a ticket's secret is stored; the ticket's holder signs with the secret. Each part is signed by
the member who states it, for one team.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bough_daemon.errors import BadTicket, BadUsage, TooManyTickets, UnknownTicket
from bough_daemon.team.identity import Identity, statement, verify
from bough_daemon.team.roster import Roster
from bough_daemon.team.tickets import claim_statement, key_of, ticket_claim

VALID_MS = 24 * 3600 * 1000
SHORTEST_MS, LONGEST_MS = 60 * 1000, 30 * 24 * 3600 * 1000
KEPT_MS = 7 * 24 * 3600 * 1000  # for which an expired ticket is remembered, so that its holder can be told
MOST_USES = 1000
MOST_OUT = 100  # known tickets of one member at once
MOST_KNOWN = 1000  # of all members together; this member's own are always known
MOST_DEPUTIES = 2
MOST_OVER = 10  # uses of a ticket beyond its limit that are reported
SKEW_MS = 24 * 3600 * 1000  # by which a teammate's clock may be ahead
ID_DIGITS = 8


@dataclass(frozen=True)
class Invite:
    """A member's statement that the holder of a ticket may join.

    `key`: the ticket's. `maker`: the member's. `time`, `expires`: milliseconds since the epoch, by the maker's clock.
    `uses`: how many may join with it. `revoked`: when it was revoked; 0: it was not. `deputies`: the keys of members
    who may also admit its holder. `claim`: the ticket key's signature for its maker, so that nobody else can make
    statements about it.
    """

    key: bytes
    maker: bytes
    time: int
    expires: int
    uses: int = 1
    revoked: int = 0
    deputies: tuple[bytes, ...] = ()
    claim: bytes = b""
    signature: bytes = b""

    @classmethod
    def made(
        cls, secret: bytes, team: str, by: Identity, now: int, valid_ms: int, uses: int, deputies: tuple[bytes, ...]
    ) -> Invite:
        """Return the invite of a new ticket."""
        claim = ticket_claim(secret, team, by.key)
        return cls(key_of(secret), by.key, now, now + valid_ms, uses, 0, deputies, claim).signed(team, by)

    def statement(self, team: str) -> bytes:
        """Return what the maker signs."""
        numbers = self.time, self.expires, self.uses, self.revoked
        return statement("invite", team, self.key, self.maker, *numbers, *self.deputies)

    def signed(self, team: str, by: Identity) -> Invite:
        """Return this invite with the maker's signature."""
        return replace(self, signature=by.sign(self.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether it is well-formed, and signed by its maker for this team."""
        sound = min(self.time, self.revoked) >= 0 and self.time < self.expires <= self.time + LONGEST_MS < 2**63
        if not sound or not 1 <= self.uses <= MOST_USES or len(self.deputies) > MOST_DEPUTIES:
            return False
        claimed = verify(self.key, self.claim, claim_statement(team, self.maker))
        return claimed and verify(self.maker, self.signature, self.statement(team))

    def answered_by(self, key: bytes) -> bool:
        """Return whether the member who signs with a key may admit the ticket's holder."""
        return key == self.maker or key in self.deputies

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return 300 + 32 * len(self.deputies)

    @property
    def id(self) -> str:
        """Its id for users: the beginning of its key."""
        return self.key.hex()[:ID_DIGITS]


@dataclass(frozen=True)
class TicketUse:
    """A member's statement that they admitted the holder of `key` for a ticket. `time`: ms since the epoch."""

    ticket: bytes
    key: bytes
    admitter: bytes
    time: int
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the admitting member signs."""
        return statement("ticket use", team, self.ticket, self.key, self.admitter, self.time)

    def signed(self, team: str, by: Identity) -> TicketUse:
        """Return this use with the admitting member's signature."""
        return replace(self, signature=by.sign(self.statement(team)))

    def is_signed(self, team: str) -> bool:
        """Return whether it is well-formed, and signed by its admitter for this team."""
        return 0 <= self.time < 2**63 and verify(self.admitter, self.signature, self.statement(team))

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return 200


@dataclass(frozen=True)
class Invites:
    """The known tickets. Immutable, so that using one is a single replacement.

    `made`: by the ticket's key. `uses`: by that and the joiner's key.
    """

    made: Mapping[bytes, Invite] = field(default_factory=dict)
    uses: Mapping[tuple[bytes, bytes], TicketUse] = field(default_factory=dict)

    def with_new(self, invite: Invite, now: int) -> Invites:
        """Return these with one more, without long expired ones; raise BadUsage or TooManyTickets."""
        if not SHORTEST_MS <= invite.expires - invite.time <= LONGEST_MS:
            raise BadUsage("a ticket is valid for 1 minute to 30 days")
        if not 1 <= invite.uses <= MOST_USES:
            raise BadUsage(f"a ticket is for 1 to {MOST_USES} people")
        kept = self.kept(now)
        if sum(one.maker == invite.maker for one in kept.out(now)) >= MOST_OUT:
            raise TooManyTickets(f"{MOST_OUT} of your tickets are valid already")
        return replace(kept, made={**kept.made, invite.key: invite})

    def kept(self, now: int) -> Invites:
        """Return these without long expired ones."""
        made = {key: one for key, one in self.made.items() if one.expires + KEPT_MS > now}
        return Invites(made, {pair: use for pair, use in self.uses.items() if pair[0] in made})

    def without(self, key: bytes) -> Invites:
        """Return these without a ticket that nobody has received."""
        return replace(self, made={other: one for other, one in self.made.items() if other != key})

    def with_revoked(self, invite: Invite) -> Invites:
        """Return these with a ticket revoked by its maker."""
        return replace(self, made={**self.made, invite.key: invite})

    def with_use(self, use: TicketUse) -> Invites:
        """Return these with someone admitted for a ticket; they may present it again: an answer may be lost."""
        pair = (use.ticket, use.key)
        return self if pair in self.uses else replace(self, uses={**self.uses, pair: use})

    def with_heard(
        self, roster: Roster, invites: Iterable[Invite], uses: Iterable[TicketUse], now: int
    ) -> tuple[Invites, list[Invite], list[TicketUse]]:
        """Return these with what is new and valid from a teammate, and just that; the rest is dropped.

        Only a ticket's maker, who is in the team, may state it; a revocation is permanent. A use is stated by a member
        who answers for the ticket, about someone they admitted. A limited number is kept for each maker and ticket.
        """
        heard, new, used = self.kept(now), list[Invite](), list[TicketUse]()
        for invite in invites:
            if heard._is_news(roster, invite, now):
                new.append(invite)
                heard = replace(heard, made={**heard.made, invite.key: invite})
        for use in uses:
            if heard._is_new_use(roster, use):
                used.append(use)
                heard = heard.with_use(use)
        return heard, new, used

    def _is_news(self, roster: Roster, invite: Invite, now: int) -> bool:
        known = self.made.get(invite.key)
        if known is not None:
            same = replace(known, revoked=invite.revoked, signature=invite.signature)
            if known.revoked or not invite.revoked or invite != same:
                return False
        elif len(self.made) >= MOST_KNOWN or sum(one.maker == invite.maker for one in self.made.values()) >= MOST_OUT:
            return False
        timely = invite.time <= now + SKEW_MS and invite.expires + KEPT_MS > now
        return timely and roster.by_key(invite.maker) is not None and invite.is_signed(roster.team)

    def _is_new_use(self, roster: Roster, use: TicketUse) -> bool:
        invite = self.made.get(use.ticket)
        if invite is None or (use.ticket, use.key) in self.uses or not invite.answered_by(use.admitter):
            return False
        if len(self.users(use.ticket)) >= invite.uses + MOST_OVER or not roster.was_admitted(use.key):
            return False
        return use.is_signed(roster.team)

    def overused(self) -> list[tuple[Invite, list[TicketUse]]]:
        """Return the tickets that admitted more than their limit, and the joiners: two admitted one each at once."""
        found = ((one, self.users(one.key)) for one in self.made.values())
        return [(one, users) for one, users in found if len(users) > one.uses]

    def users(self, ticket: bytes) -> list[TicketUse]:
        """Return who joined with a ticket, the first one first."""
        return sorted((use for use in self.uses.values() if use.ticket == ticket), key=lambda use: use.time)

    def left(self, invite: Invite) -> int:
        """Return how many more may join with a ticket, as far as known uses go."""
        return max(0, invite.uses - len(self.users(invite.key)))

    def out(self, now: int) -> list[Invite]:
        """Return the tickets with which someone may still join."""
        valid = (one for one in self.made.values() if one.expires > now and not one.revoked)
        return [one for one in valid if self.left(one)]

    def check(self, ticket: bytes, joiner: bytes, now: int) -> Invite:
        """Return the ticket with this key if the holder of `joiner` may join with it; raise BadTicket."""
        invite = self.made.get(ticket)
        if invite is None:
            raise BadTicket("this ticket was not issued by that member, or has expired")
        if invite.expires <= now:
            raise BadTicket("the ticket has expired; ask for a new one")
        if (ticket, joiner) in self.uses:
            return invite
        if invite.revoked:
            raise BadTicket("the ticket was revoked; ask for a new one")
        if not self.left(invite):
            raise BadTicket("the ticket was already used; ask for a new one")
        return invite

    def named(self, id: str) -> Invite:
        """Return the ticket whose id begins with `id`, or raise UnknownTicket."""
        found = [one for one in self.made.values() if id and one.key.hex().startswith(id.lower())]
        if len(found) != 1:
            what = f"{len(found)} tickets have an id that begins with" if found else "there is no ticket"
            raise UnknownTicket(f"{what} {id}", id=id)
        return found[0]
