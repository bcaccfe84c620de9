"""What members keep of tickets: how often each is good, and how long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.errors import BadTicket, BadUsage, TooManyTickets, UnknownTicket
from bough_daemon.team.identity import Identity
from bough_daemon.team.invites import KEPT_MS, LONGEST_MS, MOST_OUT, VALID_MS, Invite, Invites, TicketUse

from tests.daemon.team.test_roster import someone

NOW = 1_800_000_000_000
TEAM = "ab" * 16
ALICE, BOB = b"a" * 32, b"b" * 32


def made(key: bytes = b"k" * 32, *, by: str = "alice", time: int = NOW, valid: int = VALID_MS, uses: int = 1) -> Invite:
    return Invite(key, someone(by).key, time, time + valid, uses).signed(TEAM, someone(by))


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
    old = made(b"o" * 32)
    invites = Invites().with_new(old, NOW).with_use(use(old, ALICE))
    later = old.expires + KEPT_MS
    new = made(b"n" * 32, time=later)
    assert list(invites.with_new(new, later).made) == [new.key] and not invites.with_new(new, later).uses
    assert list(invites.with_new(new, later - 1).made) == [old.key, new.key]


def test_a_member_has_so_many_tickets_out_and_no_more() -> None:
    invites = Invites()
    for number in range(MOST_OUT):
        invites = invites.with_new(made(number.to_bytes(32, "big")), NOW)
    with pytest.raises(TooManyTickets):
        invites.with_new(made(b"x" * 32), NOW)
    assert invites.with_new(made(b"x" * 32, by="bob"), NOW)
    assert invites.with_new(made(b"x" * 32, time=NOW + VALID_MS), NOW + VALID_MS)


@pytest.mark.parametrize("asked", [{"uses": 0}, {"uses": 1001}, {"valid": 59_999}, {"valid": LONGEST_MS + 1}])
def test_what_no_ticket_may_have_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(BadUsage):
        Invites().with_new(made(**asked), NOW)  # type: ignore[arg-type]


def test_a_ticket_is_named_by_the_beginning_of_its_id() -> None:
    one, other = made(b"\xab" * 32), made(b"\xac" * 32)
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
    ],
)
def test_an_invite_that_was_altered_is_nobodys_word(change: dict[str, int | bytes]) -> None:
    invite = made()
    assert invite.is_signed(TEAM) and not invite.is_signed("cd" * 16)
    assert not replace(invite, **change).is_signed(TEAM)  # type: ignore[arg-type]


def test_a_use_that_was_altered_is_nobodys_word() -> None:
    said = use(made(), BOB)
    assert said.is_signed(TEAM) and not said.is_signed("cd" * 16)
    for altered in (replace(said, key=ALICE), replace(said, ticket=ALICE), replace(said, time=0)):
        assert not altered.is_signed(TEAM)
