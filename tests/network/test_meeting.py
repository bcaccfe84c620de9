"""Members on addresses of their own meet, and go on when one of them goes or moves, or the network does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.network.networks import Network

Make = Callable[..., Member]
IN_SYNC = 5.0  # seconds: the bar after a cut, and after an address change
CUT = 60.0
CROSSED = 6.5  # seconds after which a conversation is no longer one of two who called each other at once


def connected(member: Member) -> set[str]:
    """Return the teammates with whom a member is connected directly."""
    return {one["name"] for one in member.told("status")["teammates"] if one["connected"]}


def star(make: Make, *names: str) -> list[Member]:
    """Start members, all of them invited by the first, and wait until everyone has met everyone."""
    first, *others = [make(name) for name in names]
    first.bough("up", "--as", first.name)
    for one in others:
        one.bough("join", first.bough("invite"), "--as", one.name)
    for one in (first, *others):
        until(lambda: connected(one) == set(names) - {one.name})
    return [first, *others]


def saves(member: Member, text: str, *names: str) -> float:
    """Let a member save something, and return how many seconds it took until others had it."""
    (member.tree / "a.txt").write_text(text)
    began = time.monotonic()
    member.bough("save", "--wait", *names)
    return time.monotonic() - began


def told_of(member: Member, name: str) -> dict[str, Any]:
    """Return what a member's status says of a teammate."""
    found: dict[str, Any] = next(one for one in member.told("status")["teammates"] if one["name"] == name)
    return found


def test_two_who_cannot_reach_each_other_share_through_a_third(member: Make, net: Network) -> None:
    alice = member("alice")
    alice.bough("up", "--as", "alice")
    net.apart("bob", "carol")
    bob, carol = (member(name, net.variables(name)) for name in ("bob", "carol"))
    for one in (bob, carol):
        one.bough("join", alice.bough("invite"), "--as", one.name)
    saves(bob, "through alice\n", "carol")
    assert "alice and carol hold it" in bob.bough("save")
    assert carol.bough("git", "show", "bob:a.txt") == "through alice"
    assert "reached through alice" in bob.bough("status") and "reached through alice" in bob.bough("team")
    bob.ends()
    bob.bough("save", "--wait", "carol")  # who holds it is heard again
    alice.ends()
    until(lambda: "cannot reach alice at 10.77.0.1:" in bob.bough("status"))
    told = told_of(bob, "carol")
    assert told["through"] == [] and not told["connected"] and "bough invite" in told["remedy"]


def test_members_invited_by_the_same_one_meet_and_go_on_without_that_member(member: Make, net: Network) -> None:
    alice, bob, carol = star(member, "alice", "bob", "carol")
    alice.ends()
    saves(bob, "without alice\n", "carol")
    bob.ends()
    bob.bough("status")  # starts the daemon again, which listens again
    until(lambda: "carol" in connected(bob))
    saves(carol, "bob is back\n", "bob")


@pytest.mark.usefixtures("long_form")
@pytest.mark.parametrize("mover", [0, 1], ids=["who preferred their own calls", "who was called"])
def test_a_member_whose_address_changes_is_in_sync_within_seconds(member: Make, net: Network, mover: int) -> None:
    pair = star(member, "alice", "bob")
    moving, staying = pair[mover], pair[1 - mover]
    met = time.monotonic()
    until(lambda: time.monotonic() > met + CROSSED)
    net.give(moving.name, "10.77.0.77")
    assert saves(moving, "from elsewhere\n", staying.name) < IN_SYNC
    assert saves(staying, "to there\n", moving.name) < IN_SYNC


@pytest.mark.usefixtures("long_form")
def test_two_who_move_at_once_find_each_other_through_a_third(member: Make, net: Network) -> None:
    _, bob, carol = star(member, "alice", "bob", "carol")
    net.give("bob", "10.77.0.77")
    net.give("carol", "10.77.0.78")
    until(lambda: "carol" in connected(bob), 10.0)
    assert saves(bob, "both moved\n", "carol") < IN_SYNC
    assert saves(carol, "both moved\n", "bob") < IN_SYNC


@pytest.mark.usefixtures("long_form")
def test_a_team_meets_on_a_network_of_ipv6_alone(member: Make, net: Network) -> None:
    hosts = {name: net.host(name) for name in ("alice", "bob")}
    for number, name in enumerate(hosts, 1):
        net.give(name, f"fd77::{number}")
    alice, bob = (member(name, hosts[name]) for name in hosts)
    alice.bough("up", "--as", "alice")
    bob.bough("join", alice.bough("invite"), "--as", "bob")
    assert saves(bob, "over IPv6\n", "alice") < IN_SYNC
    net.give("bob", "fd77::77")
    assert saves(bob, "from elsewhere\n", "alice") < IN_SYNC


@pytest.mark.usefixtures("long_form")
def test_two_who_have_lost_each_other_meet_on_one_local_network(member: Make, net: Network) -> None:
    alice, bob = star(member, "alice", "bob")
    for one, address in ((alice, "10.77.0.77"), (bob, "10.77.0.78")):
        one.ends()
        net.give(one.name, address)
    alice.bough("status")
    until(lambda: connected(bob) == {"alice"}, 15.0)
    assert saves(bob, "found\n", "alice") < IN_SYNC


@pytest.mark.usefixtures("long_form")
def test_a_fresh_ticket_reconnects_members_who_have_lost_each_other(member: Make, net: Network) -> None:
    alice, bob = star(member, "alice", "bob")
    for one, address in ((alice, "10.77.0.77"), (bob, "10.77.0.78")):
        one.bough("config", "set", "team.discovery", "false")
        one.ends()
        net.give(one.name, address)
    ticket = alice.bough("invite")
    assert connected(bob) == set()
    assert bob.bough("join", ticket) == "You are already in this team; reconnected with alice"
    saves(bob, "reconnected\n", "alice")
    assert [json.loads(line)["state"] for line in alice.bough("invites", "--json").splitlines()] == ["valid"]
    carol = member("carol")
    carol.bough("join", ticket, "--as", "carol")  # nobody has used it up


@pytest.mark.usefixtures("long_form")
def test_after_a_cut_that_no_system_notices_they_are_in_sync_within_seconds(member: Make, net: Network) -> None:
    alice, bob = star(member, "alice", "bob")
    net.cut("bob")
    until(lambda: not connected(alice) and not connected(bob), 20.0)
    cut_at = time.monotonic()
    (alice.tree / "a.txt").write_text("during the cut\n")
    alice.bough("save")
    until(lambda: time.monotonic() > cut_at + CUT - 15.0, CUT)
    net.heal("bob")
    assert saves(bob, "after the cut\n", "alice") < IN_SYNC
    assert bob.bough("git", "show", "alice:a.txt") == "during the cut"


def test_a_member_whom_nobody_can_call_takes_part(member: Make, net: Network) -> None:
    alice, bob = star(member, "alice", "bob")
    net.behind("carol", incoming=False)
    carol = member("carol", net.variables("carol"))
    carol.bough("join", alice.bough("invite"), "--as", "carol")
    until(lambda: connected(carol) == {"alice", "bob"})
    saves(carol, "from behind\n", "alice", "bob")
    saves(bob, "to behind\n", "carol")
    alice.ends()
    bob.ends()
    bob.bough("status")
    assert saves(carol, "bob is back\n", "bob") < IN_SYNC


@pytest.mark.usefixtures("long_form")
def test_a_member_whose_machine_hangs_is_shown_as_away_within_15_seconds(member: Make, net: Network) -> None:
    alice, bob = star(member, "alice", "bob")
    with bob.stopped():
        began = time.monotonic()
        until(lambda: not connected(alice), 20.0)
        assert time.monotonic() - began < 15.0
    assert saves(bob, "awake\n", "alice") < IN_SYNC
