"""Tickets as their maker and their users see them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Member

Members = Callable[[str], Member]
LISTEN = ("--listen", "127.0.0.1:0")


def tickets(member: Member, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in member.bough("invites", *options, "--json").splitlines()]


def test_a_ticket_for_several_people_is_counted_and_survives_a_restart(members: Members) -> None:
    alice, bob, carol, dave = (members(name) for name in ("alice", "bob", "carol", "dave"))
    alice.bough("up")
    made = alice.told("invite", *LISTEN, "--uses", "2", "--expires", "2h")
    assert made["uses"] == 2
    (listed,) = tickets(alice)
    assert (listed["id"], listed["left"], listed["members"], listed["state"]) == (made["id"], 2, [], "valid")
    assert abs(listed["expires_at"] - listed["made_at"] - 7200) < 1
    bob.bough("join", made["ticket"])
    alice.is_killed()
    alice.bough("up")
    assert "1 use left, valid for 2 hours" in alice.bough("invites") and "used by bob" in alice.bough("invites")
    carol.bough("join", made["ticket"])
    assert alice.bough("invites") == "" and "`--all` lists the others" in alice.types("invites").err
    (listed,) = tickets(alice, "--all")
    assert (listed["left"], sorted(listed["members"]), listed["state"]) == (0, ["bob", "carol"], "used")
    late = dave.types("join", made["ticket"])
    assert late.code == 1 and re.search("it was used or revoked|the ticket was already used", late.err), late


def test_a_ticket_that_was_revoked_is_refused_with_the_reason(members: Members) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    made = alice.told("invite", *LISTEN)
    assert alice.types("invites", "--revoke", "zz").code == 1
    assert "there is no ticket zz" in alice.types("invites", "--revoke", "zz").err
    said = alice.types("invites", "--revoke", made["id"][:5])
    assert said.code == 0 and said.out == f"Revoked ticket {made['id']}\n", said
    assert [one["state"] for one in tickets(alice, "--all")] == ["revoked"] and tickets(alice) == []
    refused = bob.types("join", made["ticket"])
    assert refused.code == 1 and "the ticket was revoked; ask for a new one" in refused.err, refused
    alice.is_killed()
    alice.bough("up")
    assert "the ticket was revoked" in bob.types("join", made["ticket"]).err
    # Done twice it is as it was.
    assert alice.types("invites", "--revoke", made["id"]).code == 0


def test_what_no_ticket_can_be_is_told_with_the_remedy(alice: Member) -> None:
    alice.bough("up")
    for typed, said in (
        (("--expires", "soon"), "invalid period 'soon'"),
        (("--expires", "2h\x1b[31m"), "invalid period"),
        (("--expires", "0m"), "a ticket is valid for 1 minute to 30 days"),
        (("--expires", "31d"), "a ticket is valid for 1 minute to 30 days"),
        (("--uses", "0"), "0 is not in the range"),
        (("--uses", "1001"), "a ticket is for 1 to 1000 people"),
        (("--revoke", "x"), "bough invites --revoke ID"),
    ):
        answer = alice.types("invite", *typed)
        assert answer.code == 2 and said in answer.err and "Traceback" not in answer.err, answer
    assert alice.bough("invites") == ""
