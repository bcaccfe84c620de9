"""Tickets: whole or refused, and good once."""

from __future__ import annotations

import pytest
from bough_daemon.errors import BadTicket
from bough_daemon.team.tickets import VALID_MS, Invites, Ticket, hash_of, new_secret
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000_000
TICKET = Ticket("ab" * 16, bytes(range(32)), bytes(range(16)), ("192.168.1.20:41234", "[2001:db8::5]:41234"))
ALICE, BOB = b"a" * 32, b"b" * 32

tickets = st.builds(
    Ticket,
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.lists(st.from_regex(r"[a-z0-9.]{1,20}:[0-9]{1,5}", fullmatch=True), min_size=1, max_size=5).map(tuple),
)


@given(tickets)
def test_a_ticket_is_read_as_it_was_written(ticket: Ticket) -> None:
    assert Ticket.parse(f" {ticket}\n") == ticket
    assert str(ticket).isalnum()


def test_a_ticket_is_short_enough_to_paste() -> None:
    assert len(str(TICKET)) < 200


@given(st.data())
def test_a_ticket_that_was_cut_short_or_altered_is_refused(data: st.DataObject) -> None:
    text = str(TICKET)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0aZ9").filter(lambda digit: digit != text[at]))
    for damaged in (text[:at], text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :]):
        with pytest.raises(BadTicket):
            Ticket.parse(damaged)


@pytest.mark.parametrize("text", ["", "bough", "hello", "bough-x", "bough" + "0" * 5000, "https://example.org"])
def test_what_is_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(BadTicket):
        Ticket.parse(text)


def test_a_ticket_lets_one_in() -> None:
    secret = new_secret()
    invites = Invites().with_new(secret, NOW)
    spent = invites.spent(secret, ALICE, NOW + 1)
    with pytest.raises(BadTicket, match="already used"):
        spent.spent(secret, BOB, NOW + 2)
    # Whose answer was lost on the way comes again.
    assert spent.spent(secret, ALICE, NOW + 3) == spent


def test_a_ticket_is_valid_for_a_day() -> None:
    secret = new_secret()
    invites = Invites().with_new(secret, NOW)
    assert invites.valid(NOW + VALID_MS - 1)
    with pytest.raises(BadTicket, match="expired"):
        invites.spent(secret, ALICE, NOW + VALID_MS)
    assert not invites.valid(NOW + VALID_MS)


def test_a_secret_that_was_never_given_out_is_refused() -> None:
    with pytest.raises(BadTicket, match="not issued"):
        Invites().with_new(new_secret(), NOW).spent(new_secret(), ALICE, NOW)


def test_expired_tickets_are_forgotten_and_secrets_are_not_kept() -> None:
    old, new = new_secret(), new_secret()
    invites = Invites().with_new(old, NOW).with_new(new, NOW + VALID_MS + 1)
    assert [invite.secret_hash for invite in invites.known] == [hash_of(new)]
    assert new not in invites.known[0].secret_hash
