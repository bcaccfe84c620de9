"""Of two who are admitted under one name at the same time, one counts on all machines, and the other is told so."""

from __future__ import annotations

from bough_daemon.team.departures import Removal
from bough_daemon.team.roster import SETTLED_MS, Admission, Roster

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone

LATER = NOW + 60_000


def founded() -> Roster:
    """A team that alice founded, with bob, whom she let in, and carol, whom he let in."""
    roster = Roster.found(someone("alice"), "alice", NOW - 2 * SETTLED_MS)
    for by, name in (("alice", "bob"), ("bob", "carol")):
        admit(roster, by, name, now=NOW - 2 * SETTLED_MS)
    return roster


def rivals(roster: Roster) -> tuple[Admission, Admission]:
    """Two who were let in as dave, by bob and by carol."""
    bobs, carols = copy_of(roster, NOW - 2 * SETTLED_MS), copy_of(roster, NOW - 2 * SETTLED_MS)
    return admit(bobs, "bob", "dave", now=NOW), admit(carols, "carol", "erin", "dave", now=NOW)


def heard(roster: Roster, *entries: Admission, now: int = NOW) -> Roster:
    """What somebody knows who has heard of these, one after the other."""
    made = copy_of(roster, NOW - 2 * SETTLED_MS)
    for entry in entries:
        made.merge([entry], [], now)
    return made


def test_machines_agree_though_a_clock_is_set_back_between_the_two() -> None:
    roster = founded()
    first, second = rivals(roster)
    ahead = heard(roster, first, now=NOW + 120_000)
    ahead.merge([second], [], NOW)
    behind = heard(roster, second, now=NOW + 120_000)
    behind.merge([first], [], NOW)
    assert ahead.members == behind.members


def test_a_new_member_who_heard_of_one_of_them_first_agrees_as_well() -> None:
    roster = founded()
    first, second = rivals(roster)
    for early, late in ((first, second), (second, first)):
        hers = heard(roster, early)
        mine = admit(hers, "alice", "frank", now=LATER)
        frank = Roster(roster.team)
        frank.enter(hers.admissions.values(), hers.contacts.values(), [], mine.key, LATER)
        assert frank.members == hers.members
        for each in (hers, frank):
            each.merge([late], [], LATER)
        assert frank.members == hers.members == heard(roster, first, second).members | {"frank": mine}


def test_a_new_member_lets_nobody_displace_who_was_there_for_long() -> None:
    roster = founded()
    known = admit(roster, "carol", "dave", now=NOW - 2 * SETTLED_MS)
    rival = admit(founded(), "alice", "erin", "dave", now=NOW)
    mine = admit(roster, "alice", "frank", now=LATER)
    frank = Roster(roster.team)
    frank.enter(roster.admissions.values(), [], [], mine.key, LATER)
    frank.merge([rival], [], LATER)
    assert frank.member("dave") == known


def test_the_one_who_does_not_count_can_call_and_is_told_by_whom_another_one_is_in() -> None:
    roster = founded()
    first, second = rivals(roster)
    here = heard(roster, first, second)
    counts = here.member("dave")
    loser = second if counts == first else first
    theirs = copy_of(roster, NOW - 2 * SETTLED_MS)
    theirs.merge([loser], [], NOW)
    assert here.caller(loser.certificate) == loser and theirs.by_key(loser.key) == loser
    admissions, removals = here.notice(loser.key)
    assert not removals and {entry.name for entry in admissions} <= {"alice", "bob", "carol", "dave"}
    theirs.merge(admissions, [], NOW)
    assert theirs.by_key(loser.key) is None and theirs.member("dave") == counts


def test_whom_a_removed_member_let_in_unknown_to_the_remover_is_told_that_they_are_out() -> None:
    roster = founded()
    carols = copy_of(roster)
    dave = admit(carols, "carol", "dave", now=NOW)
    removal = Removal(someone("carol").key, someone("alice").key, NOW).signed(roster.team, someone("alice"))
    roster.merge_removals([removal], NOW)
    assert roster.caller(dave.certificate) is None, "nothing is known of them"
    roster.merge([dave], [], NOW)
    assert roster.by_key(dave.key) is None and roster.caller(dave.certificate) == dave
    admissions, removals = roster.notice(dave.key)
    carols.merge(admissions, [], NOW)
    carols.merge_removals(removals, NOW)
    assert carols.by_key(dave.key) is None and carols.out_by(dave.key) == [removal]


def test_who_was_removed_by_one_whose_name_is_anothers_now_is_told_by_whom() -> None:
    roster = founded()
    winner, loser = rivals(roster)
    (removal,) = heard(roster, loser).remove(someone("erin"), "alice", NOW)
    here = heard(roster, winner, loser)
    here.merge_removals([removal], NOW)
    assert here.member("dave") == winner and here.out_by(someone("alice").key) == [removal]
    alices = copy_of(roster)
    admissions, removals = here.notice(someone("alice").key)
    alices.merge(admissions, [], NOW)
    assert alices.merge_removals(removals, NOW) == [removal]
    assert alices.by_key(someone("alice").key) is None


def test_who_was_removed_is_told_every_way_by_which_the_remover_was_let_in() -> None:
    roster = founded()
    carols, franks = copy_of(roster, NOW - 2 * SETTLED_MS), copy_of(roster, NOW - 2 * SETTLED_MS)
    frank = admit(franks, "alice", "frank", now=NOW)
    here = heard(roster, admit(carols, "carol", "dave", now=NOW), frank, admit(franks, "frank", "dave", now=NOW + 1))
    assert here.origins[someone("dave").key].admitter == frank.key
    gone = here.remove(someone("alice"), "carol", NOW)
    said = here.remove(someone("dave"), "bob", NOW)
    bobs = copy_of(roster)
    bobs.merge_removals(gone, NOW)  # so dave is in by frank alone, of whom bob has not heard
    admissions, removals = here.notice(someone("bob").key)
    bobs.merge(admissions, [], NOW)
    bobs.merge_removals(removals, NOW)
    assert bobs.out_by(someone("bob").key) == said


def test_a_removal_that_keeps_whom_somebody_let_in_is_not_why_they_are_out() -> None:
    roster = founded()
    first, second = rivals(roster)
    here = heard(roster, first, second)
    here.leave(someone("alice"), NOW)
    loser = second if here.member("dave") == first else first
    assert here.out_by(loser.key) == []


def test_nobody_removes_themselves_with_those_whom_another_one_let_in() -> None:
    roster = founded()
    said = roster.remove(someone("bob"), "alice", NOW, with_invited=True)
    assert [one.key for one in said] == [someone("alice").key, someone("carol").key]
    assert list(roster.members) == ["bob"]
