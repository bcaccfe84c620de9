"""What one says costs them time, by the work that it makes; nobody else waits for it."""

from __future__ import annotations

from bough_daemon.budgets import ADMISSION_COST, ADMISSIONS_AT_ONCE, WANT_COST, Pace
from bough_daemon.sync.connections import _parts, _weight
from bough_daemon.sync.messages import Gossip, Hello, Want
from bough_daemon.team.branch_state import BranchKind, Key
from bough_daemon.team.roster import Roster

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone


def test_gossip_is_heard_in_parts_and_nothing_of_it_is_left_out() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    for number in range(2 * ADMISSIONS_AT_ONCE):
        admit(roster, "alice", f"m{number}")
    contact = roster.announce(someone("alice"), ["127.0.0.1:1"], NOW)
    said = Gossip(tuple(roster.admissions.values()), (contact,))
    parts = list(_parts(said))
    assert max(len(part.admissions) for part in parts if isinstance(part, Gossip)) == ADMISSIONS_AT_ONCE
    heard = Roster(roster.team)
    for part in parts:
        assert isinstance(part, Gossip)
        heard.merge(part.admissions, part.contacts, NOW)
    assert (heard.members, heard.contacts) == (roster.members, roster.contacts)
    assert list(_parts(Hello("team"))) == [Hello("team")]


def test_what_is_known_costs_little_and_what_has_to_be_looked_at_costs_more() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "bob")
    said = Gossip(tuple(roster.admissions.values()))
    assert _weight(said, copy_of(roster).admissions) == 1 + 2
    assert _weight(said, {}) == 1 + 2 + 2 * ADMISSION_COST
    assert _weight(Want(Key("bob", BranchKind.LIVE, b"bob"), 1, (), (), "", 0), {}) == WANT_COST


def test_many_words_at_once_take_turns_with_others_and_too_many_wait() -> None:
    pace = Pace(rate=200.0, most=1000.0, unpaced=100.0, in_turns=500.0)
    assert [pace.after(1, 0.0) for _ in range(100)] == [0.0] * 100
    assert [pace.after(1, 0.0) for _ in range(900)] == [1 / 500] * 900
    assert pace.after(1, 0.0, turn=0.1) == 0.1
    assert pace.after(199, 0.0) == 1.0
    assert pace.after(1, 10.0) == 0.0
    assert pace.after(1, 10.0, turn=0.1) == 0.0
    endless = Pace(rate=1.0, most=100.0)
    assert [endless.after(50, 0.0) for _ in range(3)] == [0.0, 0.0, 50.0]
