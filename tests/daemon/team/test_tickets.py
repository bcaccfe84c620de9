"""Tickets: whole or refused, and of use to their holder alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.errors import BadTicket
from bough_daemon.team.identity import verify
from bough_daemon.team.tickets import Ticket, TicketAnswerer, proof_statement
from hypothesis import given
from hypothesis import strategies as st

ADDRESSES = ("192.168.1.20:41234", "[2001:db8::5]:41234")
TICKET = Ticket("ab" * 16, bytes(range(32)), bytes(range(16)), ADDRESSES, 1_800_000_000)

deputies = st.builds(
    TicketAnswerer, st.binary(min_size=32, max_size=32), st.sampled_from([(), ("[2001:db8::5]:41234",), ("a:1", "ü:2")])
)
tickets = st.builds(
    Ticket,
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.lists(st.from_regex(r"[a-z0-9.]{1,20}:[0-9]{1,5}", fullmatch=True), min_size=1, max_size=5).map(tuple),
    st.integers(0, 2**40 - 1),
    st.lists(deputies, max_size=2).map(tuple),
)


@given(tickets)
def test_a_ticket_is_read_as_it_was_written(ticket: Ticket) -> None:
    assert Ticket.parse(f" {ticket}\n") == ticket
    assert str(ticket).isalnum()


def test_an_address_that_is_empty_is_none() -> None:
    deputy = TicketAnswerer(bytes(32), ("", "a:1"))
    read = Ticket.parse(str(replace(TICKET, addresses=("", "a:1", ""), deputies=(deputy,))))
    assert (read.addresses, read.deputies[0].addresses) == (("a:1",), ("a:1",))
    for nowhere in ((), ("",), ("", "")):
        with pytest.raises(BadTicket):
            Ticket.parse(str(replace(TICKET, addresses=nowhere)))


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


@given(tickets, st.text(max_size=20), st.binary(max_size=40))
def test_the_holder_of_a_ticket_proves_who_is_to_come_in(ticket: Ticket, name: str, key: bytes) -> None:
    proof = ticket.proof(name, key, b"certificate")
    assert ticket.secret not in proof and ticket.secret not in ticket.key
    assert verify(ticket.key, proof, proof_statement(ticket.team, name, key, b"certificate"))
    for said in (
        proof_statement("0" * 32 if ticket.team != "0" * 32 else "1" * 32, name, key, b"certificate"),
        proof_statement(ticket.team, name + "x", key, b"certificate"),
        proof_statement(ticket.team, name, key + b"x", b"certificate"),
        proof_statement(ticket.team, name, key, b"another"),
    ):
        assert not verify(ticket.key, proof, said)


def test_a_ticket_of_another_version_says_who_has_to_update(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, said in ((1, "an older Bough; update that"), (3, "a newer Bough; update this")):
        with monkeypatch.context() as patch:
            patch.setattr("bough_daemon.team.tickets.VERSION", version)
            made = str(TICKET)
        with pytest.raises(BadTicket, match=said):
            Ticket.parse(made)
