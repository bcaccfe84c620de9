"""Join a team: present a ticket on one side, accept it on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Container

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.budgets import GOSSIP_BYTES, MOST_HAVES
from bough_daemon.errors import BadTicket, InviterGone, NameTaken, PeerRefused, UnrelatedHistory
from bough_daemon.store.negotiation import history_of, known_commits
from bough_daemon.store.store import Store
from bough_daemon.sync import wire
from bough_daemon.sync.dial import present_ticket
from bough_daemon.sync.messages import Gossip
from bough_daemon.system.threads import StoreThread
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity, verify
from bough_daemon.team.invites import TicketUse
from bough_daemon.team.roster import Admission, Contact, Roster
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket, proof_statement
from bough_daemon.team.vouches import Vouch


async def present(
    ticket: Ticket,
    name: str,
    identity: Identity,
    store: Store,
    owner: StoreThread,
    admission: Admission | None = None,
    *,
    as_hub: bool = False,
) -> Roster:
    """Present a ticket, with proof of a shared history, and return the team's roster including its holder.

    `admission`: by another member of the same user. `as_hub`: there is no history to compare yet. Raises the error of
    the ticket's maker, UnrelatedHistory, PeerUnreachable or PeerRefused.
    """
    request = join_request(ticket, name, identity)
    if admission is not None:
        request.admission.CopyFrom(wire.admission_message(admission))
    request.hub = as_hub
    request.commits.extend(await asyncio.to_thread(history_of, store))
    answer = await present_ticket(ticket, request)
    if answer.HasField("unrelated"):
        shared = await owner.run(known_commits, store, answer.unrelated.commits[:MOST_HAVES])
        if not shared:
            raise UnrelatedHistory("this repository and that of the ticket share no commit")
        request.shared_commit = shared[0]
        answer = await present_ticket(ticket, request)
    roster, said = Roster(ticket.team), wire.gossip(answer.welcome)
    roster.enter(said.admissions, said.contacts, said.removals, identity.key, now_ms(), said.vouches)
    entry = roster.by_key(identity.key)
    if entry is None or entry.name != name:
        raise PeerRefused("the answer to the ticket does not admit this member")
    return roster


def join_request(ticket: Ticket, name: str, identity: Identity) -> pb.JoinRequest:
    """Return the request of a ticket's holder, which does not contain the ticket's secret."""
    request = pb.JoinRequest(team=ticket.team, name=name, key=identity.key, certificate=identity.certificate)
    request.vouch = identity.vouch
    request.ticket, request.proof = ticket.key, ticket.proof(name, identity.key, identity.certificate)
    return request


def check_ticket(team: Team, me: bytes, request: pb.JoinRequest, now: int) -> None:
    """Raise BadTicket unless the requester has a ticket with which the holder of the key `me` may admit them."""
    said = proof_statement(team.roster.team, request.name, request.key, request.certificate)
    if not verify(request.ticket, request.proof, said):
        raise BadTicket("the request was not made with a ticket of this team")
    invite = team.invites.check(request.ticket, request.key, now)
    if not invite.answered_by(me):
        raise BadTicket("this ticket was not issued by that member, or has expired")
    if team.roster.by_key(invite.maker) is None:
        raise InviterGone("the member who made the ticket is no longer in the team")


async def unrelated(request: pb.JoinRequest, store: Store, owner: StoreThread) -> pb.JoinResponse | None:
    """Return the answer to a joiner whose history is unknown here, or None if a commit of it is known.

    The comparison keeps people from joining with the wrong repository. It grants nothing: the ticket does. A hub, which
    has no history, has nothing to compare.
    """
    if request.hub:
        return None
    named = [*request.commits[:MOST_HAVES], *([request.shared_commit] if request.shared_commit else [])]
    if await owner.run(known_commits, store, named):
        return None
    return pb.JoinResponse(unrelated=pb.Unrelated(commits=await asyncio.to_thread(history_of, store)))


def take_ticket(team: Team, identity: Identity, request: pb.JoinRequest, branches: Container[bytes]) -> Admission:
    """Use a ticket and admit its holder, in one write and without waiting, so that no ticket admits too many.

    `branches`: names that live branches already have. The joiner may bring an admission by another member. If this
    raises, the ticket is as valid as before. A joiner who has already used the ticket gets the same admission again.
    """
    now = now_ms()
    check_ticket(team, identity.key, request, now)
    known = team.roster.by_key(request.key)
    if known is None and request.name.encode() in branches:
        raise NameTaken(f"the team has a branch named {request.name} already", name=request.name)
    if request.HasField("admission") and known is None:
        entry = wire.admission(request.admission)
        if (entry.name, entry.key) != (request.name, request.key):
            raise PeerRefused("the admission that came with the ticket belongs to another member")
        team.roster.take(entry, now)
    else:
        certificate, vouch = request.certificate, request.vouch
        entry = team.roster.admit(identity, request.name, request.key, certificate, vouch, now)
    use = TicketUse(request.ticket, request.key, identity.key, now).signed(team.roster.team, identity)
    before, team.invites = team.invites, team.invites.with_use(use)
    try:
        team.save_roster()
    except OSError:
        team.invites = before
        if known is None:
            team.roster.forget(entry, now)
        raise
    return entry


def welcome(roster: Roster, me: bytes) -> pb.JoinResponse:
    """Return the answer to an admitted joiner: the team, with as many of its addresses as fit into a message.

    Those of this member, who signs with the key `me`, come first; the rest follows as gossip.
    """
    contacts, removals, vouches, left = list[Contact](), list[Removal](), list[Vouch](), GOSSIP_BYTES
    for removal in roster.removals.values():
        left -= removal.size
        if left >= 0:
            removals.append(removal)
    for vouch in roster.vouches.values():
        left -= vouch.size
        if left >= 0:
            vouches.append(vouch)
    for contact in sorted(roster.contacts.values(), key=lambda one: one.key != me):
        left -= contact.size
        if left >= 0:
            contacts.append(contact)
    admissions = tuple(roster.admissions.values())
    known = Gossip(admissions, tuple(contacts), tuple(removals), vouches=tuple(vouches))
    return pb.JoinResponse(welcome=wire.gossip_message(known))
