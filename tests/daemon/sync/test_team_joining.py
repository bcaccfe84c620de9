"""How one gets into a team: tickets, names, histories, and who is turned away before."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.api.notices import TicketOverused
from bough_daemon.errors import (
    BadTicket,
    BoughError,
    NameTaken,
    NotPossibleNow,
    PeerRefused,
    PeerUnreachable,
    PortTaken,
    UnrelatedHistory,
)
from bough_daemon.home import Home
from bough_daemon.sync.dial import present_ticket
from bough_daemon.sync.joining import join_request
from bough_daemon.team import team_files as team_module
from bough_daemon.team.identity import fingerprint, load_identity
from bough_daemon.team.invites import VALID_MS
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket
from bough_proto.v1 import peer_pb2 as pb

from tests.daemon.machines import LOOPBACK, Machines, machines, run
from tests.daemon.support import git, make_repository
from tests.daemon.team_support import Side, eventually


def test_a_solo_member_is_a_team_that_lasts(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            team, tip = alice.sync.team_id, await alice.save({"a.txt": b"x\n"})
            assert alice.sync.teammates() == [] and alice.sync.holders(tip) == set()
            await all_of.stop(alice)
            alice = await all_of.start("alice")
            assert (alice.sync.team_id, alice.sync.member) == (team, "alice")

    run(test())


def test_before_the_first_invite_only_this_machine_can_knock(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            assert all(address.startswith(LOOPBACK) for address in alice.listener.addresses())
            invite = await alice.sync.invite()
            assert invite.opened and all(line.startswith("[::]:") for line in invite.opened)
            assert len(Ticket.parse(invite.ticket).addresses) == len(alice.listener.join_addresses())
            again = await alice.sync.invite()
            assert again.opened == [] and again.ticket != invite.ticket

    run(test())


def test_a_port_that_is_taken_is_an_error(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            with socket.socket() as taken:
                taken.bind((LOOPBACK, 0))
                taken.listen()
                with pytest.raises(PortTaken):
                    await alice.sync.invite(f"{LOOPBACK}:{taken.getsockname()[1]}")
            assert (await alice.sync.invite(LOOPBACK)).ticket

    run(test())


def test_a_ticket_lets_one_in_and_no_other(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _ = await all_of.team("alice", "bob")
            carol, dave = await all_of.start("carol"), await all_of.start("dave")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            await alice.sync.invite()  # another one is out, so that somebody listens
            await carol.sync.join(ticket, "carol")
            with pytest.raises(BadTicket, match="already used"):
                await dave.sync.join(ticket, "dave")
            assert set(alice.sync.roster.members) == {"alice", "bob", "carol"}
            assert set(dave.sync.roster.members) == {"dave"}

    run(test())


def test_of_two_who_come_at_once_with_one_ticket_exactly_one_is_let_in(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            comers = [await all_of.start(name) for name in ("bob", "carol", "dave")]
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            joins = (side.sync.join(ticket, side.name) for side in comers)
            came = await asyncio.gather(*joins, return_exceptions=True)
            assert [type(one) for one in came if one is not None] == [BadTicket, BadTicket]
            assert len(alice.sync.roster.members) == 2
            # What is written down says the same.
            kept = Team.load(alice.home.path("teams", alice.sync.team_id))
            assert kept.roster.members == alice.sync.roster.members
            assert kept.invites.made and not kept.invites.out(now_ms())

    run(test())


def test_spending_a_ticket_and_letting_in_are_one_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket

            def full(path: str, data: bytes) -> None:
                raise OSError(28, "No space left on device")

            with monkeypatch.context() as patch, pytest.raises(BoughError):
                patch.setattr(team_module, "write_whole", full)
                await bob.sync.join(ticket, "bob")
            assert set(alice.sync.roster.members) == {"alice"}
            await bob.sync.join(ticket, "bob")
            assert set(alice.sync.roster.members) == {"alice", "bob"}

    run(test())


def test_an_answer_that_was_lost_is_given_again_to_the_same_one(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            me = load_identity(bob.home)
            request = join_request(ticket, "bob", me)
            request.commits.append(git(bob.root, "rev-parse", "HEAD"))
            await present_ticket(ticket, request)
            await bob.sync.join(str(ticket), "bob")
            await eventually(lambda: alice.is_connected("bob"))

    run(test())


def test_an_expired_ticket_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            later = now_ms() + VALID_MS
            monkeypatch.setattr("bough_daemon.sync.invitations.now_ms", lambda: later)
            await alice.sync.invite()  # another one is out, so that somebody listens
            with pytest.raises(BadTicket, match="expired"):
                await bob.sync.join(ticket, "bob")
            assert set(bob.sync.roster.members) == {"bob"}

    run(test())


def test_a_name_that_the_team_has_is_refused_and_the_ticket_stays_good(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            with pytest.raises(NameTaken, match="alice already"):
                await bob.sync.join(ticket, "alice")
            await bob.sync.join(ticket, "bob")
            with pytest.raises(NotPossibleNow):
                await bob.sync.join((await alice.sync.invite()).ticket, "bob")

    run(test())


def test_a_clone_with_unrelated_history_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            make_repository(folder / "stranger", {"other": b"x\n"})
            stranger = await all_of.start("stranger")
            ticket = (await alice.sync.invite(LOOPBACK)).ticket
            with pytest.raises(UnrelatedHistory):
                await stranger.sync.join(ticket, "stranger")
            assert set(alice.sync.roster.members) == {"alice"}
            bob = await all_of.start("bob")
            await bob.sync.join(ticket, "bob")

    run(test())


@pytest.mark.parametrize("shallow_one", ["alice", "bob"])
def test_a_shallow_clone_is_known_by_any_commit_that_both_have(folder: Path, shallow_one: str) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            for number in range(40):
                git(all_of.origin, "commit", "-q", "--allow-empty", "-m", f"{number}")
            git(folder, "clone", "-q", "--depth=1", f"file://{all_of.origin}", str(folder / shallow_one))
            git(all_of.origin, "commit", "-q", "--allow-empty", "-m", "newer")
            alice, bob = await all_of.team("alice", "bob")
            # What is older than the border must be shared by then: the shallow one cannot send it.
            for one, other in ((alice, bob), (bob, alice)) if shallow_one == "bob" else ((bob, alice), (alice, bob)):
                tip = await one.save({"a.txt": one.name.encode()})
                await eventually(lambda: other.tip_of(one.name) == tip)

    run(test())


def test_what_a_shallow_clone_could_not_send_is_taken_once_it_is_shared(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            git(all_of.origin, "commit", "-q", "--allow-empty", "-m", "older")
            git(folder, "clone", "-q", "--depth=1", f"file://{all_of.origin}", str(folder / "bob"))
            git(folder, "clone", "-q", str(all_of.origin), str(folder / "alice"))
            git(folder / "alice", "reset", "-q", "--hard", "HEAD~1")
            alice, bob = await all_of.team("alice", "bob")
            tip = await bob.save({"a.txt": b"x\n"})
            await eventually(lambda: "missing" in alice.sync.teammates()[0].not_taken)
            assert alice.tip_of("bob") is None
            git(alice.root, "merge", "-q", "--ff-only", "origin/main")
            await alice.save({"b.txt": b"y\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)
            assert alice.sync.teammates()[0].not_taken == ""

    run(test())


def test_nobody_but_the_maker_of_the_ticket_gets_the_secret(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, eve = [await all_of.start(name) for name in ("alice", "bob", "eve")]
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            await eve.sync.invite(LOOPBACK)
            diverted = replace(ticket, addresses=eve.listener.join_addresses())
            with pytest.raises(PeerRefused, match="another machine answers"):
                await bob.sync.join(str(diverted), "bob")
            closed = replace(ticket, addresses=("127.0.0.1:9",))
            with pytest.raises(PeerUnreachable):
                await bob.sync.join(str(closed), "bob")
            several = replace(ticket, addresses=("127.0.0.1:9", *ticket.addresses))
            await bob.sync.join(str(several), "bob")

    run(test())


def test_a_joiner_whose_solo_name_the_team_has_gets_a_new_one_before_anyone_talks(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            tip = await alice.save({"a.txt": b"of the first alice\n"})
            git(folder, "clone", "-q", str(all_of.origin), "bob")
            other = await Side.start(folder / "bob", folder / "home-bob", "alice")
            all_of.running.append(other)
            mine = await other.save({"a.txt": b"of the second\n"})
            names = list[str]()

            async def rename() -> None:
                names.append(other.sync.member)

            await other.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "bob", rename)
            assert names == ["bob"]
            await eventually(lambda: other.tip_of("alice") == tip)
            assert other.store.ref(f"refs/kept/alice/{mine}") == mine

    run(test())


def test_of_a_ticket_with_one_use_left_one_is_let_in_though_the_daemon_is_killed_at_any_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            bob, carol = await all_of.start("bob"), await all_of.start("carol")
            ticket = (await alice.sync.invite(LOOPBACK, uses=2)).ticket
            await bob.sync.join(ticket, "bob")
            path = Path(alice.home.path("teams", alice.sync.team_id)) / "roster.json"
            before = path.read_bytes()
            await carol.sync.join(ticket, "carol")
            after = path.read_bytes()
            # Whatever of the two a kill leaves, the use and the member are both there or both not.
            for kept, count in ((before, 2), (after, 3)):
                path.write_bytes(kept)
                team = Team.load(str(path.parent))
                assert len(team.roster.members) == count and len(team.invites.uses) == count - 1

    run(test())


def test_a_request_made_without_the_ticket_or_for_another_member_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            eve = load_identity(Home(str(folder / "eve"), str(folder / "eve")))
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            commit = git(bob.root, "rev-parse", "HEAD")
            seen = join_request(ticket, "bob", load_identity(bob.home))
            stolen = join_request(ticket, "bob", eve)
            stolen.proof = seen.proof  # what whoever answers has got
            other = replace(ticket, team="0" * 32)
            elsewhere = join_request(other, "eve", eve)
            elsewhere.team = ticket.team
            guessed = join_request(replace(ticket, secret=bytes(16)), "eve", eve)
            for request in (stolen, elsewhere, guessed, pb.JoinRequest(team=ticket.team, name="eve", key=eve.key)):
                request.commits.append(commit)
                with pytest.raises(BadTicket, match=r"not made with|not issued"):
                    await present_ticket(ticket, request)
            assert set(alice.sync.roster.members) == {"alice"}
            await bob.sync.join(str(ticket), "bob")

    run(test())


def test_a_hub_needs_no_history_and_a_ticket_all_the_same(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice = await all_of.start("alice")
            eve, hub = (load_identity(Home(str(folder / name), str(folder / name))) for name in ("eve", "hub"))
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            for request in (
                join_request(replace(ticket, secret=bytes(16)), "hub", eve),
                pb.JoinRequest(team=ticket.team, name="hub", key=eve.key, certificate=eve.certificate),
            ):
                request.hub = True
                with pytest.raises(BadTicket, match=r"not made with|not issued"):
                    await present_ticket(ticket, request)
            assert set(alice.sync.roster.members) == {"alice"}
            without = join_request(ticket, "hub", hub)
            assert (await present_ticket(ticket, without)).HasField("unrelated")
            without.hub = True
            assert (await present_ticket(ticket, without)).HasField("welcome")
            assert set(alice.sync.roster.members) == {"alice", "hub"}

    run(test())


def test_an_expired_ticket_whose_maker_does_not_answer_is_said_to_have_expired(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.start("alice"), await all_of.start("bob")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            old = replace(ticket, expires=now_ms() // 1000 - 7200, addresses=("127.0.0.1:9",))
            with pytest.raises(BadTicket, match="expired 2 hours ago"):
                await bob.sync.join(str(old), "bob")

    run(test())


async def open_to_all(side: Side) -> None:
    """Have a machine listen as one that is open to the network does, on this machine alone."""
    await side.listener.open(LOOPBACK)


async def know_deputy(host: Side, name: str) -> None:
    """Meet again, so that `host` knows where a member answers for others, and return once it would name it."""
    host.sync._conversations.drop_stale(all_of_them=True)
    await eventually(lambda: host.sync._now.invitations._deputies(), f"that {name} is a deputy")


def test_another_member_lets_in_the_holder_of_a_ticket_whose_maker_has_gone(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            await open_to_all(bob)
            await know_deputy(alice, "bob")
            ticket = (await alice.sync.invite(LOOPBACK, uses=2)).ticket
            assert [one.fingerprint for one in Ticket.parse(ticket).deputies] == [
                fingerprint(bob.listener.identity.certificate)
            ]
            await eventually(lambda: "new members" in str(bob.listener.listening()))
            assert "new members" not in str(carol.listener.listening())
            dave, erin, frank = [await all_of.start(name) for name in ("dave", "erin", "frank")]
            await dave.sync.join(ticket, "dave")
            await eventually(lambda: bob.sync._team.invites.uses and "dave" in bob.sync.roster.members)
            for side in (alice, bob):
                await all_of.stop(side)
            bob = await bob_again(all_of)
            await erin.sync.join(ticket, "erin")
            assert bob.sync.roster.member("erin").admitter == bob.listener.identity.key
            await eventually(lambda: erin.is_connected("bob") and "erin" in carol.sync.roster.members)
            with pytest.raises((BadTicket, PeerUnreachable), match="used"):
                await frank.sync.join(ticket, "frank")
            alice = await all_of.start("alice")
            await eventually(lambda: "erin" in alice.sync.roster.members)
            await eventually(lambda: alice.sync.tickets()[0].members == ["dave", "erin"])
            assert alice.sync.tickets()[0].state == "used" and alice.sync.notices() == []

    run(test())


async def bob_again(all_of: Machines) -> Side:
    """Start the machine of bob, who was stopped: what it knows of tickets is kept."""
    again = await all_of.start("bob")
    await eventually(lambda: "new members" in str(again.listener.listening()))
    return again


def test_a_deputy_refuses_a_ticket_that_was_revoked_and_one_of_a_member_who_was_removed(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await open_to_all(bob)
            await know_deputy(alice, "bob")
            revoked, left = [await alice.sync.invite(LOOPBACK) for _ in range(2)]
            alice.sync.revoke(revoked.invite.id)
            await eventually(lambda: bob.sync._team.invites.made.get(revoked.invite.key, revoked.invite).revoked)
            await eventually(lambda: left.invite.key in bob.sync._team.invites.made)
            await all_of.stop(alice)
            dave = await all_of.start("dave")
            with pytest.raises(BadTicket, match="revoked"):
                await dave.sync.join(revoked.ticket, "dave")
            bob.sync.remove("alice")
            with pytest.raises(NotPossibleNow, match="no longer in the team"):
                await dave.sync.join(left.ticket, "dave")
            assert set(bob.sync.roster.members) == {"bob"}

    run(test())


def test_a_ticket_that_two_let_in_somebody_for_while_they_were_apart_is_told_of(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            await open_to_all(bob)
            await know_deputy(alice, "bob")
            ticket = Ticket.parse((await alice.sync.invite(LOOPBACK)).ticket)
            await eventually(lambda: "new members" in str(bob.listener.listening()))
            await all_of.stop(bob)
            carol, dave = await all_of.start("carol"), await all_of.start("dave")
            await carol.sync.join(str(ticket), "carol")
            for side in (alice, carol):
                await all_of.stop(side)
            bob = await bob_again(all_of)
            await dave.sync.join(str(ticket), "dave")
            alice = await all_of.start("alice")
            await eventually(lambda: alice.sync.notices() != [])
            (notice,) = alice.sync.notices()
            assert isinstance(notice, TicketOverused)
            assert (sorted(notice.members), notice.uses) == (["carol", "dave"], 1)
            assert {"carol", "dave"} <= set(alice.sync.roster.members)

    run(test())
