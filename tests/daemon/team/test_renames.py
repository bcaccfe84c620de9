"""Members who change their names: a name is given once, and everything follows the key."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from bough_daemon.errors import NameTaken, NotInTeam, NotPossibleNow
from bough_daemon.team.branch_state import branch_owner
from bough_daemon.team.roster import MOST_RENAMES, SETTLED_MS, Admission, Roster

from tests.daemon.team.test_roster import NOW, admit, copy_of, signed, someone


@pytest.fixture
def roster() -> Roster:
    """Alice, who founded the team; bob and carol, whom she let in; dave, whom bob let in."""
    made = Roster.found(someone("alice"), "alice", NOW)
    for name, by in (("bob", "alice"), ("carol", "alice"), ("dave", "bob")):
        admit(made, by, name)
    return made


def rename(roster: Roster, who: str, name: str, now: int = NOW) -> Admission:
    return roster.rename(someone(who), name, now)


def told(roster: Roster, *entries: Admission, now: int = NOW) -> Roster:
    """Return a roster that has heard of some admissions."""
    roster.merge(entries, [], now)
    return roster


def test_a_member_has_another_name_and_all_else_stays(roster: Roster) -> None:
    other = copy_of(roster)
    said = rename(roster, "bob", "robert")
    assert list(roster.members) == ["alice", "robert", "carol", "dave"] and not roster.former
    assert roster.by_key(someone("bob").key) == said and roster.name_of(someone("bob").key) == "robert"
    assert roster.previous == {"bob": someone("bob").key} and not roster.rivals
    assert [one.name for one in roster.invited_by("robert")] == ["dave"]
    assert [one.name for one in roster.invited_by("alice")] == ["robert", "carol"]
    assert told(other, said).members == roster.members
    again = Roster(roster.team)
    again.restore(dict.fromkeys(roster.admissions.values(), 0), [], NOW + 2 * SETTLED_MS)
    assert (again.members, again.previous) == (roster.members, roster.previous)


def test_the_founder_may_change_their_name_too(roster: Roster) -> None:
    rename(roster, "alice", "anna")
    assert list(roster.members) == ["anna", "bob", "carol", "dave"]
    admit(roster, "alice", "erin")
    assert "erin" in roster.members and roster.origins[someone("alice").key].name == "alice"


def test_an_old_name_is_never_given_again(roster: Roster) -> None:
    rename(roster, "bob", "robert")
    for who in ("carol", "bob"):
        with pytest.raises(NameTaken, match="bob is the earlier name of robert"):
            rename(roster, who, "bob")
    with pytest.raises(NameTaken):
        admit(roster, "alice", "erin", "bob")
    forged = signed(roster, "carol", "erin", "bob", NOW + 5)
    roster.merge([forged, signed(roster, "carol", "carol", "bob", NOW + 6)], [], NOW)
    assert list(roster.members) == ["alice", "robert", "carol", "dave"]
    assert branch_owner(roster, "bob") == "bob"  # who is no member: nobody may say what that branch is


@pytest.mark.parametrize("name", ["alice", "carol", "dave"])
def test_a_name_that_somebody_has_is_not_taken(roster: Roster, name: str) -> None:
    with pytest.raises(NameTaken):
        rename(roster, "bob", name)
    forged = signed(roster, "bob", "bob", name, NOW + SETTLED_MS)
    members = dict(roster.members)
    assert told(roster, forged, now=NOW + 2 * SETTLED_MS).members == members


def test_nobody_renames_anybody_else_or_speaks_for_another_team(roster: Roster) -> None:
    members = dict(roster.members)
    mine = signed(roster, "bob", "bob", "robert", NOW + 1)
    elsewhere = Roster.found(someone("bob"), "bob", NOW)
    for wrong in (
        signed(roster, "carol", "bob", "robert", NOW + 1),
        replace(mine, signature=someone("carol").sign(mine.statement(roster.team))),
        replace(mine, name="rob"),
        signed(elsewhere, "bob", "bob", "robert", NOW + 1),
        signed(roster, "stranger", "stranger", "robert", NOW + 1),
        signed(roster, "bob", "bob", "carol+desk", NOW + 1),
    ):
        assert told(roster, wrong).members == members


def test_of_several_names_the_latest_counts_in_whatever_order_they_are_heard(roster: Roster) -> None:
    start = copy_of(roster)
    said = [rename(roster, "bob", name, NOW + number) for number, name in enumerate(("rob", "robert", "bobby"))]
    for seed in range(6):
        order = random.Random(seed).sample(said, 3)
        other = copy_of(start)
        for one in order:
            told(other, one)
        assert list(other.members) == ["alice", "bobby", "carol", "dave"]
        assert set(other.previous) == {"bob", "rob", "robert"}


def test_two_who_choose_one_name_at_once_are_settled_as_two_who_are_let_in_under_one(roster: Roster) -> None:
    here, there = copy_of(roster), copy_of(roster)
    bobs, daves = rename(here, "bob", "zoe"), rename(there, "dave", "zoe")
    told(here, daves)
    told(there, bobs)
    for one in (here, there):  # bob is nearer to the founder
        assert list(one.members) == ["alice", "zoe", "carol", "dave"]
        assert [rival.admission for rival in one.rivals] == [daves]
    # Later nothing displaces who has the name.
    late = copy_of(roster)
    told(late, daves)
    told(late, bobs, now=NOW + 2 * SETTLED_MS)
    assert late.name_of(someone("dave").key) == "zoe" and late.name_of(someone("bob").key) == "bob"


def test_who_is_let_in_under_a_name_and_who_chooses_it_have_it_once(roster: Roster) -> None:
    here, there = copy_of(roster), copy_of(roster)
    chosen, let_in = rename(here, "dave", "erin"), admit(there, "alice", "erin")
    told(here, let_in)
    told(there, chosen)
    assert here.members == there.members and here.member("erin").key == someone("erin").key


def test_a_removed_members_names_stay_taken_and_they_are_found_by_the_last(roster: Roster) -> None:
    rename(roster, "bob", "robert")
    roster.remove(someone("carol"), "robert", NOW)
    assert list(roster.former) == ["robert"] and "dave" in roster.members
    for name in ("bob", "robert"):
        with pytest.raises(NameTaken):
            admit(roster, "alice", "erin", name)
    with pytest.raises(NotInTeam):
        rename(roster, "bob", "bobby")
    told(roster, signed(roster, "bob", "bob", "bobby", NOW + 9))
    assert someone("bob").key not in {one.key for one in roster.members.values()}


def test_a_further_machine_keeps_its_name_and_the_next_is_called_after_the_new_one(roster: Roster) -> None:
    admit(roster, "bob", "erin", "bob+desktop")
    rename(roster, "bob", "robert")
    assert "bob+desktop" in roster.members
    admit(roster, "bob", "frank", "robert+laptop")
    assert "robert+laptop" in roster.members
    again = Roster(roster.team)
    again.restore(dict.fromkeys(roster.admissions.values(), 0), [], NOW)
    assert again.members == roster.members
    with pytest.raises(NameTaken):
        admit(roster, "carol", "gina", "robert+x")
    going = roster.remove(someone("alice"), "robert", NOW)
    assert {roster.name_of(one.key) for one in going} == {"robert", "robert+laptop", "bob+desktop"}


def test_a_member_has_so_many_names_and_no_more(roster: Roster) -> None:
    for number in range(MOST_RENAMES):
        rename(roster, "bob", f"bob{number}")
    with pytest.raises(NotPossibleNow, match="only a few names"):
        rename(roster, "bob", "bobby")
    assert roster.name_of(someone("bob").key) == f"bob{MOST_RENAMES - 1}"


def test_a_removal_and_a_rename_are_known_to_a_former_member_by_their_notice(roster: Roster) -> None:
    rename(roster, "carol", "carla")
    roster.remove(someone("carol"), "bob", NOW)
    admissions, removals = roster.notice(someone("bob").key)
    bobs = Roster(roster.team)
    bobs.restore(dict.fromkeys(admissions, 0), [], NOW, removals)
    assert {one.name for one in admissions} >= {"alice", "carol", "carla"}
    assert bobs.name_of(removals[0].remover) == "carla"
