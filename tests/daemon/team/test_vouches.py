"""A lost key: two people vouch for a new one, which has the name from then on; the old one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.errors import CannotVouch, NameTaken, UnknownMember
from bough_daemon.team.departures import Removal
from bough_daemon.team.roster import MOST_EARLY, Admission, Roster
from bough_daemon.team.team_files import Team
from bough_daemon.team.vouches import MOST_VOUCHES, Vouch
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.team.test_roster import NOW, admit, someone

NEW = "alice-2"  # how alice joins with her new key


def team() -> Roster:
    """Return a team of alice, bob, carol and dave, and alice's new key, which bob let in."""
    roster = Roster.found(someone("alice"), "alice", NOW)
    for by, name in (("alice", "bob"), ("alice", "carol"), ("bob", "dave"), ("bob", NEW)):
        admit(roster, by, name)
    return roster


@pytest.fixture
def roster() -> Roster:
    """The team."""
    return team()


def vouched(roster: Roster, *names: str, new: str = NEW, lost: str = "alice") -> list[Removal]:
    """Have members vouch for a new key; return the removals that follow."""
    return [one for name in names for one in roster.vouch(someone(name), new, lost, NOW)[1]]


def key(label: str) -> bytes:
    return someone(label).key


def holder(roster: Roster, name: str) -> bytes:
    return roster.member(name).key


def admission(roster: Roster, by: str, who: str, name: str) -> Admission:
    """Return a signed admission, whether or not it counts."""
    new = someone(who)
    return roster.signed(someone(by), name, new.key, new.certificate, new.vouch, NOW)


def signed_vouch(roster: Roster, by: str, new: str, lost: str = "alice") -> Vouch:
    return Vouch(key(lost), key(new), key(by), NOW).signed(roster.team, someone(by))


def copy_of(roster: Roster) -> Roster:
    """Return what somebody knows who was told of everything at once."""
    copied = Roster(roster.team)
    copied.restore(
        dict.fromkeys(roster.admissions.values(), 0), [], NOW, roster.removals.values(), roster.vouches.values()
    )
    assert copied.dropped == 0
    return copied


def test_with_the_second_vouch_the_new_key_has_the_name_and_the_old_one_is_out(roster: Roster) -> None:
    assert vouched(roster, "bob") == [] and holder(roster, "alice") == key("alice") and NEW in roster.members
    (removal,) = vouched(roster, "carol")
    assert removal.key == key("alice") and removal.remover == key("carol")
    assert sorted(roster.members) == ["alice", "bob", "carol", "dave"] and holder(roster, "alice") == key(NEW)
    assert roster.by_key(key("alice")) is None and roster.former["alice"].key == key("alice")
    assert roster.name_of(key("alice")) == "alice" == roster.name_of(key(NEW)) == roster.last_name_of(key(NEW))
    with pytest.raises(NameTaken, match="earlier name of alice"):
        admit(roster, "bob", "erin", NEW)
    assert [one.name for one in roster.invited_by("alice")] == ["bob", "carol"]  # whom she let in with the lost key


def test_one_person_does_not_vouch_twice(roster: Roster) -> None:
    admit(roster, "carol", "carol+desktop")
    vouched(roster, "carol", "carol+desktop")
    assert roster.vouched_by(key("alice"), key(NEW)) == ["carol+desktop"] and NEW in roster.members
    with pytest.raises(CannotVouch, match="already"):
        vouched(roster, "carol")
    vouched(roster, "dave")
    assert holder(roster, "alice") == key(NEW)


def test_nobody_vouches_for_themselves(roster: Roster) -> None:
    admit(roster, "alice", "alice+desktop")
    admit(roster, NEW, f"{NEW}+laptop")
    for name in (NEW, f"{NEW}+laptop", "alice", "alice+desktop"):
        with pytest.raises(CannotVouch, match="nobody can vouch for themselves"):
            vouched(roster, name)
        said = Vouch(key("alice"), key(NEW), key(name), NOW).signed(roster.team, someone(name))
        roster.merge_vouches([said], NOW)
    with pytest.raises(CannotVouch, match="alice has this key already"):
        vouched(roster, "bob", new="alice")
    vouched(roster, "bob")
    assert NEW in roster.members
    with pytest.raises(UnknownMember):
        vouched(roster, "bob", lost="zoe")


@pytest.mark.parametrize("change", [{"old": b"\1" * 32}, {"new": b"\1" * 32}, {"by": b"\1" * 32}, {"time": NOW + 1}])
def test_an_altered_or_foreign_vouch_is_dropped(roster: Roster, change: dict[str, object]) -> None:
    said = Vouch(key("alice"), key(NEW), key("bob"), NOW).signed(roster.team, someone("bob"))
    foreign = Vouch(key("alice"), key(NEW), key("bob"), NOW).signed("ab" * 16, someone("bob"))
    by_another = replace(said, by=key("carol"))
    strange = Vouch(key("alice"), key(NEW), key("mallory"), NOW).signed(roster.team, someone("mallory"))
    of_self = Vouch(key("bob"), key(NEW), key("bob"), NOW).signed(roster.team, someone("bob"))
    bad = [replace(said, **change), replace(said, signature=b""), foreign, by_another, strange, of_self]  # type: ignore[arg-type]
    assert roster.merge_vouches(bad, NOW) == [] and roster.merge_vouches([said, said], NOW) == [said]


def test_the_vouches_of_a_removed_member_count_only_where_the_removal_says_so(roster: Roster) -> None:
    late = Vouch(key("alice"), key(NEW), key("dave"), NOW).signed(roster.team, someone("dave"))
    roster.remove(someone("carol"), "dave", NOW)
    roster.merge_vouches([late], NOW)
    vouched(roster, "bob")
    assert NEW in roster.members and roster.vouched_by(key("alice"), key(NEW)) == ["bob"]
    vouched(roster, "carol")
    assert holder(roster, "alice") == key(NEW)
    # Bob vouched before he was removed, and let her in: both stay as they are.
    roster.remove(someone("carol"), "bob", NOW)
    assert holder(roster, "alice") == key(NEW)


def test_who_removes_the_one_that_removed_the_old_key_has_it_back(roster: Roster) -> None:
    vouched(roster, "bob", "dave")
    assert holder(roster, "alice") == key(NEW)
    roster.remove(someone("carol"), "dave", NOW, restore=True)
    assert holder(roster, "alice") == key("alice") and NEW in roster.members
    assert roster.remove_lost(someone("bob"), NOW) == []  # dave's vouch went with him


def test_two_who_vouch_at_the_same_time_both_remove_the_lost_key() -> None:
    by_bob = team()
    by_dave = copy_of(by_bob)
    assert vouched(by_bob, "bob") == [] == vouched(by_dave, "dave")
    by_bob.merge_vouches(by_dave.vouches.values(), NOW)
    by_dave.merge_vouches(by_bob.vouches.values(), NOW)
    assert NEW in by_bob.members and NEW in by_dave.members
    assert by_bob.remove_lost(someone("carol"), NOW) == []  # who has not vouched
    (first,), (second,) = by_bob.remove_lost(someone("bob"), NOW), by_dave.remove_lost(someone("dave"), NOW)
    assert by_bob.remove_lost(someone("bob"), NOW) == []
    for one in (by_bob, by_dave):
        one.merge_removals([first, second], NOW)
        assert holder(one, "alice") == key(NEW) and NEW not in one.members


def test_of_two_new_keys_the_one_that_was_vouched_for_first_counts(roster: Roster) -> None:
    admit(roster, "dave", "mallory")
    vouched(roster, "bob", "carol")
    late = [Vouch(key("alice"), key("mallory"), key(by), 0).signed(roster.team, someone(by)) for by in ("dave", "bob")]
    assert roster.merge_vouches(late, NOW) == late[:1]  # bob has said who she is
    admit(roster, "dave", "eve")
    more = Vouch(key("alice"), key("mallory"), key("eve"), 0).signed(roster.team, someone("eve"))
    assert roster.merge_vouches([more], NOW) and holder(roster, "alice") == key(NEW)
    assert roster.vouched_by(key("alice"), key("mallory")) == ["dave", "eve"] and "mallory" in roster.members


def test_the_new_key_lets_in_further_machines_and_can_be_lost_too(roster: Roster) -> None:
    admit(roster, "alice", "alice+old")
    vouched(roster, "bob", "carol")
    admit(roster, NEW, "alice+desktop")
    assert {"alice+old", "alice+desktop"} < roster.members.keys()
    assert copy_of(roster).members == roster.members
    told = Roster(roster.team)  # bit by bit, as over a connection
    told.merge(roster.admissions.values(), [], NOW)
    told.merge_removals(roster.removals.values(), NOW)
    assert "alice+desktop" not in told.members
    told.merge_vouches(roster.vouches.values(), NOW)
    assert [one.name for one in told.merge_early(NOW)] == ["alice+desktop"] and told.members == roster.members
    admit(roster, "dave", "alice-3")
    vouched(roster, "carol", "dave", new="alice-3")
    assert holder(roster, "alice") == key("alice-3") and roster.by_key(key(NEW)) is None
    assert {"alice+old", "alice+desktop"} < roster.members.keys()
    roster.remove(someone("bob"), "alice", NOW)
    assert "alice" not in roster.members and not [one for one in roster.members if one.startswith("alice")]


def test_who_was_let_in_by_a_further_machine_of_the_new_key_is_there_after_a_restart(roster: Roster) -> None:
    vouched(roster, "bob", "carol")
    admit(roster, NEW, "alice+desktop")
    admit(roster, "alice+desktop", "erin")
    assert "erin" in roster.members and copy_of(roster).members == roster.members


def test_only_verified_admissions_wait_for_a_vouch_and_no_longer_once_they_count(roster: Roster) -> None:
    told = copy_of(roster)
    vouched(roster, "bob", "carol")
    admit(roster, NEW, "alice+desktop")
    desktop = next(one for one in roster.admissions.values() if one.name == "alice+desktop")
    junk = [replace(desktop, name=f"alice+x{number}") for number in range(MOST_EARLY)]
    other = someone("erin").certificate
    unsigned = replace(desktop, certificate=other, signature=b"")
    by_its_admitter = someone(NEW).sign(unsigned.statement(told.team))
    told.merge([*junk, replace(unsigned, signature=by_its_admitter), desktop], [], NOW)
    assert list(told.early.values()) == [desktop]
    told.merge_removals(roster.removals.values(), NOW)
    told.merge_vouches(roster.vouches.values(), NOW)
    assert told.merge_early(NOW) == [desktop] and not told.early and told.members == roster.members


def test_an_heir_whose_admission_is_displaced_under_a_regained_name_has_no_name() -> None:
    roster = Roster.found(someone("hub"), "hub", NOW)
    for by, who, name in (
        ("hub", "bob", "bob"),
        ("hub", NEW, NEW),
        ("hub", "dave", "dave"),
        ("dave", "alice", "alice"),
        ("alice", "bob-2", "alice+x"),
    ):
        admit(roster, by, who, name)
    for by in ("hub", "dave"):
        roster.merge_vouches([signed_vouch(roster, by, NEW), signed_vouch(roster, by, "bob-2", "bob")], NOW)
    roster.remove_lost(someone("hub"), NOW)
    assert roster.heirs == {key("alice"): key(NEW), key("bob"): key("bob-2")}
    # Nearer to the founder, in the first minutes.
    roster.merge([admission(roster, NEW, "erin", "alice+x")], [], NOW)
    assert roster.heirs == {key("alice"): key(NEW)} and holder(roster, "alice+x") == key("erin")
    assert roster.by_key(key("bob-2")) is None and sorted(roster.former) == ["alice", "bob"]


def test_new_keys_are_listed_with_who_vouches_for_them(roster: Roster) -> None:
    admit(roster, "dave", "mallory")
    roster.merge_vouches([signed_vouch(roster, "bob", NEW), signed_vouch(roster, "dave", "mallory")], NOW)
    roster.merge_vouches([signed_vouch(roster, "carol", NEW), signed_vouch(roster, "mallory", NEW, "bob")], NOW)
    roster.remove(someone("carol"), "bob", NOW)
    said = [(old.name, new.name, by) for old, new, by in roster.vouched_keys()]
    assert said == [("alice", NEW, ["bob", "carol"]), ("alice", "mallory", ["dave"])]
    assert [by for _, _, by in said] == [roster.vouched_by(key("alice"), key(new)) for new in (NEW, "mallory")]


def test_a_vouch_that_could_not_be_recorded_does_not_count_against_its_signer(roster: Roster) -> None:
    for _ in range(MOST_VOUCHES + 1):
        said, _ = roster.vouch(someone("bob"), NEW, "alice", NOW)
        roster.unsay(said, NOW)
        roster.unsay(said, NOW)
    assert roster.vouches == {} and roster.merge_vouches([said], NOW) == [said]


PEOPLE = st.sampled_from(["hub", "a", "b", "c", "d", "e"])
NAMES = st.sampled_from(["a", "b", "c", "d", "a+x", "b+x", "c+x"])
STATEMENTS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), PEOPLE, PEOPLE, NAMES),
        st.tuples(st.just("vouch"), PEOPLE, PEOPLE, PEOPLE),
        st.tuples(st.just("remove"), PEOPLE, PEOPLE, st.lists(PEOPLE, max_size=3)),
    ),
    max_size=30,
)


@given(STATEMENTS, st.lists(st.tuples(PEOPLE, NAMES), max_size=6))
def test_no_signed_statements_break_a_roster(
    said: list[tuple[str, str, str, str | list[str]]], first: list[tuple[str, str]]
) -> None:
    roster = Roster.found(someone("hub"), "hub", NOW)
    roster.merge([admission(roster, "hub", who, name) for who, name in first], [], NOW)
    for kind, by, who, more in said:
        if kind == "admit":
            roster.merge([admission(roster, by, who, str(more))], [], NOW)
        elif kind == "vouch":
            roster.merge_vouches([signed_vouch(roster, by, who, str(more))], NOW)
            roster.merge_early(NOW)
        else:
            keeps = tuple(sorted({key(one) for one in more}))
            roster.merge_removals([Removal(key(who), key(by), NOW, keeps, ()).signed(roster.team, someone(by))], NOW)
        people = roster.members.keys() | roster.former.keys()
        assert all({roster.name_of(old), roster.name_of(new)} <= people for old, new in roster.heirs.items())
        assert all(entry.name == name for name, entry in roster.members.items())
        list(roster.vouched_keys())
    told = Roster(roster.team)
    told.restore(
        dict.fromkeys(roster.admissions.values(), NOW), [], NOW, roster.removals.values(), roster.vouches.values()
    )


@given(st.permutations(range(3)), st.permutations(["bob", "dave"]))
def test_whatever_is_heard_first_all_come_to_the_same(order: list[int], by: list[str]) -> None:
    roster = team()
    vouched(roster, *by)
    other = Roster(roster.team)
    other.restore(dict.fromkeys(roster.admissions.values(), 0), [], NOW)
    said: list[Vouch | Removal] = [*roster.vouches.values(), *roster.removals.values()]
    for number in order:
        one = said[number]
        if isinstance(one, Vouch):
            other.merge_vouches([one], NOW)
        else:
            other.merge_removals([one], NOW)
    assert {name: one.key for name, one in other.members.items()} == {
        name: one.key for name, one in roster.members.items()
    }


def test_a_member_cannot_vouch_for_too_many(roster: Roster) -> None:
    for number in range(MOST_VOUCHES + 1):
        admit(roster, "alice", f"x{number}")
    said = [
        Vouch(key(f"x{number}"), key(NEW), key("bob"), NOW).signed(roster.team, someone("bob"))
        for number in range(MOST_VOUCHES + 1)
    ]
    assert roster.merge_vouches(said, NOW) == said[:-1]
    with pytest.raises(CannotVouch, match="as many as one member can"):
        vouched(roster, "bob")


def test_it_is_the_same_after_a_restart(roster: Roster, tmp_path: Path) -> None:
    vouched(roster, "bob", "carol")
    Team(str(tmp_path), roster, "/r").save_roster()
    kept = Team.load(str(tmp_path)).roster
    assert kept.members == roster.members and kept.vouches == roster.vouches
    assert holder(kept, "alice") == key(NEW)
