"""Meet a teammate again by a ticket of theirs: it says where they are now. The ticket stays as good as it was.

The member who meets is known by what they sign, the maker or a deputy by the certificate that the ticket names.
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
    """Tell the maker of a ticket, or a deputy, where this member is; return what they say of the team, and whose it is.

    That is the fingerprint of their certificate. Raises what they say against it, PeerUnreachable or PeerRefused.
    """
    request = pb.MeetRequest(team=ticket.team, key=identity.key, contact=wire.contact_message(contact))

    async def ask(stub: JoinStub, answerer: bytes) -> tuple[Gossip, bytes]:
        request.signature = identity.sign(_statement(ticket.team, answerer))
        answer = await stub.Meet(request, timeout=JOIN_PATIENCE)
        return wire.gossip(answer.team), answerer

    deputies = tuple(one for one in ticket.deputies if one.fingerprint != fingerprint(identity.certificate))
    return await ask_answerer(replace(ticket, deputies=deputies), ask)


def met(roster: Roster, identity: Identity, request: pb.MeetRequest) -> tuple[pb.MeetResponse, Contact]:
    """Return what to answer a member who meets the holder of an identity, and where that member is, as they say.

    Raise PeerRefused to anybody who is not in the team.
    """
    said = _statement(roster.team, fingerprint(identity.certificate))
    if roster.by_key(request.key) is None or not verify(request.key, request.signature, said):
        raise PeerRefused("the member who asks is not in the team")
    return pb.MeetResponse(team=welcome(roster, identity.key).welcome), wire.contact(request.contact)


def _statement(team: str, answerer: bytes) -> bytes:
    """Return what a member signs who meets the holder of a certificate: it is of no use with anybody else."""
    return statement("meet", team, answerer)
