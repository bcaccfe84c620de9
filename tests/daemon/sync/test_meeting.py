"""A ticket of a teammate's brings together those who have lost each other, and nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bough_daemon.errors import AlreadyInTeam, PeerRefused
from bough_daemon.sync import meeting
from bough_daemon.team.identity import fingerprint
from bough_daemon.team.roster import Contact, Roster
from bough_daemon.team.tickets import Ticket
from bough_proto.v1 import peer_pb2 as pb

from tests.daemon.machines import LOOPBACK, Machines, machines, run
from tests.daemon.team.test_roster import NOW, admit, someone
from tests.daemon.team_support import Side, eventually


async def lost(all_of: Machines, *sides: Side) -> list[Side]:
    """Stop members, and start them where the others do not know them."""
    for side in sides:
        await all_of.stop(side)
        os.unlink(side.home.path("listen.json"))
    return [await all_of.start(side.name) for side in sides]


def test_two_who_have_lost_each_other_meet_by_a_ticket_which_stays_as_good_as_it_was(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await lost(all_of, *await all_of.team("alice", "bob"))
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            assert not alice.is_connected("bob")
            assert await bob.sync.reach.meet(Ticket.parse(ticket)) == ("alice", True)
            await eventually(lambda: alice.is_connected("bob"))
            carol = await all_of.start("carol")
            await carol.sync.join(ticket, "carol")

    run(test())


def test_a_ticket_is_not_for_the_one_who_made_it(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            with pytest.raises(AlreadyInTeam, match="made here"):
                await alice.sync.reach.meet(ticket)

    run(test())


def test_who_is_not_in_the_team_learns_nothing_by_a_ticket(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            dave = await all_of.start("dave")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            alice.sync.remove("carol")
            before = dict(alice.sync.roster.contacts)
            for side in (dave, carol):
                contact = Contact(side.listener.identity.key, ("192.0.2.7:1",), NOW * 2)
                with pytest.raises(PeerRefused, match="not in the team"):
                    await meeting.meet(ticket, side.listener.identity, contact)
            # A member may say nothing for another one.
            forged = Contact(bob.listener.identity.key, ("192.0.2.7:1",), NOW * 2, b"x" * 64)
            await meeting.meet(ticket, bob.listener.identity, forged)
            assert alice.sync.roster.contacts == before

    run(test())


def test_what_was_signed_for_one_member_is_of_no_use_with_another() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    for name in ("bob", "carol"):
        admit(roster, "alice", name)
    said = meeting._statement(roster.team, fingerprint(someone("bob").certificate))
    request = pb.MeetRequest(team=roster.team, key=someone("carol").key, signature=someone("carol").sign(said))
    assert meeting.met(roster, someone("bob"), request)[0].team.admissions
    with pytest.raises(PeerRefused):
        meeting.met(roster, someone("alice"), request)
    request.key = someone("alice").key
    with pytest.raises(PeerRefused):
        meeting.met(roster, someone("bob"), request)
