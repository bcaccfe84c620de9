"""Reconnect to a teammate with their ticket, which has their current addresses. The ticket stays valid.

The caller is identified by a signature, the maker or a deputy by the certificate that the ticket names.
"""

from __future__ import annotations

from dataclasses import replace

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.errors import PeerRefused
from bough_daemon.sync import wire
from bough_daemon.sync.dial import JOIN_PATIENCE, JoinStub, ask_answerer
from bough_daemon.sync.joining import welcome
from bough_daemon.sync.messages import Gossip
from bough_daemon.team.identity import Identity, fingerprint, statement, verify
from bough_daemon.team.roster import Contact, Roster
from bough_daemon.team.tickets import Ticket


async def meet(ticket: Ticket, identity: Identity, contact: Contact) -> tuple[Gossip, bytes]:
    """Tell the maker of a ticket, or a deputy, this member's addresses; return their view of the team, and who it was.

    That is the fingerprint of their certificate. Raises their error, PeerUnreachable or PeerRefused.
    """
    request = pb.MeetRequest(team=ticket.team, key=identity.key, contact=wire.contact_message(contact))

    async def ask(stub: JoinStub, answerer: bytes) -> tuple[Gossip, bytes]:
        request.signature = identity.sign(_statement(ticket.team, answerer))
        answer = await stub.Meet(request, timeout=JOIN_PATIENCE)
        return wire.gossip(answer.team), answerer

    deputies = tuple(one for one in ticket.deputies if one.fingerprint != fingerprint(identity.certificate))
    return await ask_answerer(replace(ticket, deputies=deputies), ask)


def met(roster: Roster, identity: Identity, request: pb.MeetRequest) -> tuple[pb.MeetResponse, Contact]:
    """Return the answer to a member who meets the holder of an identity, and that member's addresses.

    Raise PeerRefused for anyone who is not in the team.
    """
    said = _statement(roster.team, fingerprint(identity.certificate))
    if roster.by_key(request.key) is None or not verify(request.key, request.signature, said):
        raise PeerRefused("the member who asks is not in the team")
    return pb.MeetResponse(team=welcome(roster, identity.key).welcome), wire.contact(request.contact)


def _statement(team: str, answerer: bytes) -> bytes:
    """Return what a caller signs for the holder of a certificate, so that it is useless with anyone else."""
    return statement("meet", team, answerer)
