"""What members keep of tickets: how often each is good, and how long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.errors import BadTicket, BadUsage, TooManyTickets, UnknownTicket
from bough_daemon.team.identity import Identity
from bough_daemon.team.invites import KEPT_MS, LONGEST_MS, MOST_OUT, MOST_OVER, VALID_MS, Invite, Invites, TicketUse
from bough_daemon.team.roster import Roster

from tests.daemon.team.test_roster import admit, someone

NOW = 1_800_000_000_000
TEAM = "ab" * 16
ALICE, BOB = b"a" * 32, b"b" * 32


def made(
    secret: bytes = b"k" * 16,
    *,
    by: str = "alice",
    time: int = NOW,
    valid: int = VALID_MS,
    uses: int = 1,
    team: str = TEAM,
    deputies: tuple[str, ...] = (),
) -> Invite:
    return Invite.made(secret, team, someone(by), time, valid, uses, tuple(someone(one).key for one in deputies))


def use(invite: Invite, joiner: bytes, by: Identity | None = None) -> TicketUse:
    by = by or someone("alice")
    return TicketUse(invite.key, joiner, by.key, NOW).signed(TEAM, by)


def test_a_ticket_lets_in_as_many_as_it_is_for() -> None:
    for uses in (1, 3):
        invite = made(uses=uses)
        invites = Invites().with_new(invite, NOW)
        comers = [bytes([number]) * 32 for number in range(uses)]
        for comer in comers:
            assert invites.check(invite.key, comer, NOW + 1) == invite
            invites = invites.with_use(use(invite, comer))
        assert invites.out(NOW) == [] and invites.left(invite) == 0
        with pytest.raises(BadTicket, match="already used"):
            invites.check(invite.key, BOB, NOW + 2)
        # Anyone whose answer was lost on the way comes again, and counts once.
        assert invites.check(invite.key, comers[0], NOW + 3) == invite
        assert invites.with_use(use(invite, comers[0])) == invites


def test_a_ticket_is_valid_for_as_long_as_it_says() -> None:
    for valid in (VALID_MS, 60_000):
        invite = made(valid=valid)
        invites = Invites().with_new(invite, NOW)
        assert invites.out(NOW + valid - 1) == [invite]
        with pytest.raises(BadTicket, match="expired"):
            invites.check(invite.key, ALICE, NOW + valid)
        assert invites.out(NOW + valid) == []


def test_a_ticket_that_was_revoked_lets_nobody_in_and_who_came_may_ask_again() -> None:
    invite = made(uses=2)
    invites = Invites().with_new(invite, NOW).with_use(use(invite, ALICE))
    revoked = invites.with_revoked(replace(invite, revoked=NOW + 1))
    with pytest.raises(BadTicket, match="revoked"):
        revoked.check(invite.key, BOB, NOW + 2)
    assert revoked.out(NOW) == [] and revoked.check(invite.key, ALICE, NOW + 2)


def test_a_ticket_that_was_never_made_is_refused() -> None:
    with pytest.raises(BadTicket, match="not issued"):
        Invites().with_new(made(), NOW).check(b"x" * 32, ALICE, NOW)


def test_expired_tickets_are_forgotten_after_a_while() -> None:
    old = made(b"o" * 16)
    invites = Invites().with_new(old, NOW).with_use(use(old, ALICE))
    later = old.expires + KEPT_MS
    new = made(b"n" * 16, time=later)
    assert list(invites.with_new(new, later).made) == [new.key] and not invites.with_new(new, later).uses
    assert list(invites.with_new(new, later - 1).made) == [old.key, new.key]


def test_a_member_has_so_many_tickets_out_and_no_more() -> None:
    invites = Invites()
    for number in range(MOST_OUT):
        invites = invites.with_new(made(number.to_bytes(16, "big")), NOW)
    with pytest.raises(TooManyTickets):
        invites.with_new(made(b"x" * 16), NOW)
    assert invites.with_new(made(b"x" * 16, by="bob"), NOW)
    assert invites.with_new(made(b"x" * 16, time=NOW + VALID_MS), NOW + VALID_MS)


@pytest.mark.parametrize("asked", [{"uses": 0}, {"uses": 1001}, {"valid": 59_999}, {"valid": LONGEST_MS + 1}])
def test_what_no_ticket_may_have_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(BadUsage):
        Invites().with_new(made(**asked), NOW)  # type: ignore[arg-type]


def test_a_ticket_is_named_by_the_beginning_of_its_id() -> None:
    one, other = (replace(made(), key=key * 32) for key in (b"\xab", b"\xac"))
    invites = Invites().with_new(one, NOW).with_new(other, NOW)
    assert invites.named(one.id) == one and invites.named("AC") == other
    for id in ("", "a", "ff", "é"):
        with pytest.raises(UnknownTicket):
            invites.named(id)


@pytest.mark.parametrize(
    "change",
    [
        {"uses": 2},
        {"expires": NOW + 2 * VALID_MS},
        {"revoked": 1},
        {"key": b"x" * 32},
        {"maker": BOB},
        {"time": NOW - 1},
        {"time": -1},
        {"expires": NOW - 1},
        {"uses": 0},
        {"signature": b""},
        {"claim": b""},
        {"deputies": (BOB,)},
    ],
)
def test_an_invite_that_was_altered_is_nobodys_word(change: dict[str, object]) -> None:
    invite = made()
    assert invite.is_signed(TEAM) and not invite.is_signed("cd" * 16)
    assert not replace(invite, **change).is_signed(TEAM)  # type: ignore[arg-type]


def test_a_use_that_was_altered_is_nobodys_word() -> None:
    said = use(made(), BOB)
    assert said.is_signed(TEAM) and not said.is_signed("cd" * 16)
    for altered in (replace(said, key=ALICE), replace(said, ticket=ALICE), replace(said, time=0)):
        assert not altered.is_signed(TEAM)


def roster_of(*names: str) -> Roster:
    roster = Roster.found(someone("alice"), "alice", NOW)
    for name in names:
        admit(roster, "alice", name)
    return roster


def test_what_teammates_tell_of_tickets_is_kept_once_and_a_revocation_stays() -> None:
    roster = roster_of("bob")
    invite = made(team=roster.team, deputies=("bob",))
    invites, new, _ = Invites().with_heard(roster, [invite, invite], [], NOW)
    assert new == [invite] and invites.out(NOW) == [invite]
    assert invites.with_heard(roster, [invite], [], NOW)[1] == []
    revoked = replace(invite, revoked=NOW + 1).signed(roster.team, someone("alice"))
    invites, new, _ = invites.with_heard(roster, [revoked], [], NOW)
    assert new == [revoked] and invites.out(NOW) == []
    longer = replace(revoked, revoked=0, expires=invite.expires + 1).signed(roster.team, someone("alice"))
    for unsaid in (invite, longer, replace(revoked, revoked=NOW + 2).signed(roster.team, someone("alice"))):
        assert invites.with_heard(roster, [unsaid], [], NOW)[1] == []


def test_nobody_tells_of_a_ticket_but_its_maker_who_is_in_the_team() -> None:
    roster = roster_of("bob", "mallory")
    right = made(team=roster.team)
    mallory = someone("mallory")
    claimed = replace(right, maker=mallory.key).signed(roster.team, mallory)  # she knows its public key, as all do
    forged = right.signed(roster.team, mallory)
    for wrong in (
        claimed,
        forged,
        made(team=TEAM),
        made(team=roster.team, by="stranger"),
        made(team=roster.team, time=NOW + 2 * VALID_MS),
        made(team=roster.team, valid=LONGEST_MS + 1),
        made(team=roster.team, deputies=("bob", "mallory", "alice")),
        made(team=roster.team, time=NOW - VALID_MS - KEPT_MS),
    ):
        assert Invites().with_heard(roster, [wrong], [], NOW)[1] == []
    assert Invites().with_heard(roster, [right], [], NOW)[1] == [right]
    roster.remove(someone("alice"), "mallory", NOW)
    assert Invites().with_heard(roster, [made(team=roster.team, by="mallory")], [], NOW)[1] == []


def test_of_one_maker_so_many_tickets_are_kept_and_of_others_still_some() -> None:
    roster = roster_of("bob", "mallory")
    many = [made(number.to_bytes(16, "big"), team=roster.team, by="mallory") for number in range(MOST_OUT + 1)]
    invites, new, _ = Invites().with_heard(roster, many, [], NOW)
    assert len(new) == MOST_OUT
    assert invites.with_heard(roster, [made(team=roster.team, by="bob")], [], NOW)[1]


def test_a_use_is_the_word_of_a_member_who_answers_for_the_ticket_and_of_somebody_who_was_let_in() -> None:
    roster = roster_of("bob", "carol", "mallory")
    invite = made(team=roster.team, deputies=("bob",))
    invites, _, _ = Invites().with_heard(roster, [invite], [], NOW)
    carol = someone("carol").key

    def said(key: bytes, by: str, ticket: bytes = invite.key) -> TicketUse:
        return TicketUse(ticket, key, someone(by).key, NOW).signed(roster.team, someone(by))

    for wrong in (
        said(carol, "mallory"),
        said(someone("stranger").key, "bob"),
        said(carol, "bob", b"x" * 32),
        replace(said(carol, "bob"), signature=bytes(64)),
        TicketUse(invite.key, carol, someone("bob").key, NOW).signed(TEAM, someone("bob")),
    ):
        assert invites.with_heard(roster, [], [wrong], NOW)[2] == []
    used, _, new = invites.with_heard(roster, [], [said(carol, "bob"), said(carol, "bob")], NOW)
    assert len(new) == 1 and used.out(NOW) == [] and used.overused() == []
    with pytest.raises(BadTicket, match="already used"):
        used.check(invite.key, BOB, NOW)


def test_a_ticket_that_two_members_let_in_somebody_for_at_once_is_told_of_and_no_more_than_some_uses_are_kept() -> None:
    names = [f"member{number}" for number in range(MOST_OVER + 5)]
    roster = roster_of("bob", *names)
    invite = made(team=roster.team, deputies=("bob",))
    invites, _, _ = Invites().with_heard(roster, [invite], [], NOW)
    for by, name in zip(["alice", "bob"] * 20, names, strict=False):
        told = TicketUse(invite.key, someone(name).key, someone(by).key, NOW).signed(roster.team, someone(by))
        invites, _, _ = invites.with_heard(roster, [], [told], NOW)
    ((over, users),) = invites.overused()
    assert over == invite and len(users) == 1 + MOST_OVER
