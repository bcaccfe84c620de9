"""Who is no longer in a team, as everyone works it out for themselves, whatever they heard first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.errors import NameTaken, NotPossibleNow, UnknownMember
from bough_daemon.team.departures import Removal
from bough_daemon.team.roster import SETTLED_MS, Admission, Roster
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.team.test_roster import NOW, admit, copy_of, signed, someone

TEAM = ("alice", "bob", "carol", "mallory")  # alice let in bob and mallory, bob let in carol


def team() -> Roster:
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "bob")
    admit(roster, "bob", "carol")
    admit(roster, "alice", "mallory")
    return roster


def key(who: str) -> bytes:
    return someone(who).key


def removal(roster: Roster, by: str, who: str, keeps: tuple[str, ...] = (), upholds: tuple[str, ...] = ()) -> Removal:
    """Return a removal that is said to nobody yet."""
    plain = Removal(key(who), key(by), NOW, tuple(map(key, keeps)), tuple(map(key, upholds)))
    return plain.signed(roster.team, someone(by))


def after(roster: Roster, *removals: Removal, admissions: tuple[Admission, ...] = ()) -> list[str]:
    """Return the members once all of this is known, in addition."""
    made = copy_of(roster)
    made.merge(admissions, [], NOW)
    made.merge_removals([*roster.removals.values(), *removals], NOW)
    return list(made.members)


def test_one_who_is_removed_is_in_no_longer_and_name_and_key_stay_taken() -> None:
    roster = team()
    roster.remove(someone("bob"), "mallory", NOW)
    assert list(roster.members) == ["alice", "bob", "carol"] and list(roster.former) == ["mallory"]
    assert roster.by_key(key("mallory")) is None and roster.by_certificate(someone("mallory").certificate) is None
    with pytest.raises(NameTaken, match="had a member named mallory"):
        admit(roster, "alice", "dave", "mallory")
    with pytest.raises(NotPossibleNow, match="key cannot join again"):
        admit(roster, "alice", "mallory", "somebody")
    assert roster.name_of(key("mallory")) == "mallory"


def test_what_cannot_be_removed_has_a_message() -> None:
    roster = team()
    with pytest.raises(UnknownMember):
        roster.remove(someone("bob"), "dave", NOW)
    roster.remove(someone("bob"), "mallory", NOW)
    with pytest.raises(NotPossibleNow, match="already removed from the team, by bob"):
        roster.remove(someone("alice"), "mallory", NOW)
    with pytest.raises(NotPossibleNow, match="no longer in the team"):
        roster.remove(someone("mallory"), "carol", NOW)
    with pytest.raises(NotPossibleNow, match="no longer in the team"):
        roster.remove(someone("erin"), "carol", NOW)


@pytest.mark.parametrize(
    "change", [{"key": b"x"}, {"time": NOW + 1}, {"keeps": (bytes(32),)}, {"upholds": (b"",)}, {"signature": bytes(64)}]
)
def test_an_altered_removal_is_dropped(change: dict[str, object]) -> None:
    roster = team()
    entry = removal(roster, "bob", "mallory")
    assert roster.merge_removals([replace(entry, **change)], NOW) == []  # type: ignore[arg-type]
    assert roster.merge_removals([entry.signed("0" * 32, someone("bob"))], NOW) == []
    assert roster.merge_removals([removal(roster, "erin", "mallory"), removal(roster, "bob", "erin")], NOW) == []
    moved = replace(entry, keeps=(), upholds=entry.keeps)
    assert moved.statement(roster.team) == entry.statement(roster.team)  # nothing is kept: the same words
    kept = removal(roster, "bob", "mallory", keeps=("carol",))
    assert roster.merge_removals([replace(kept, keeps=(), upholds=kept.keeps)], NOW) == []
    assert roster.merge_removals([entry], NOW) == [entry]


def test_whom_they_let_in_stays_where_the_removal_says_so_and_nobody_else() -> None:
    roster = team()
    admit(roster, "mallory", "dave")
    admit(roster, "dave", "erin")
    backdated = signed(roster, "mallory", "false", "fay", 1)
    entry = removal(roster, "carol", "mallory", keeps=("dave",))
    assert after(roster, entry, admissions=(backdated,)) == ["alice", "bob", "carol", "dave", "erin"]
    assert after(roster, removal(roster, "carol", "mallory")) == ["alice", "bob", "carol"]
    # A new one cannot take the place of what the removal keeps.
    (made,) = roster.remove(someone("bob"), "mallory", NOW)
    assert made.keeps == (key("dave"),)
    assert after(roster, admissions=(backdated, signed(roster, "mallory", "false", "dave", 1))) == list(roster.members)


@pytest.mark.parametrize("later", [0, 1, 2 * SETTLED_MS])
def test_the_name_of_one_who_went_with_the_member_who_let_them_in_stays_taken(later: int) -> None:
    roster = team()
    admit(roster, "mallory", "dave")
    settled = NOW + 2 * SETTLED_MS
    now = settled + later
    roster.merge_removals([removal(roster, "mallory", "mallory")], settled)  # leaves, and names nobody who stays
    assert list(roster.members) == ["alice", "bob", "carol"]
    roster.merge([signed(roster, "bob", "false", "dave", 1)], [], settled)
    admit(roster, "alice", "erin", now=now)
    assert list(roster.members) == ["alice", "bob", "carol", "erin"] and "dave" in roster.names
    with pytest.raises(NameTaken, match="went with the member who let them in"):
        admit(roster, "alice", "fay", "dave", now=now)
    seen = {entry: roster.seen[entry.digest] for entry in roster.admissions.values()}
    again = Roster(roster.team)
    again.restore(seen, [], now, roster.removals.values())
    assert again.members == roster.members


def test_one_who_went_with_the_member_who_let_them_in_may_come_in_again() -> None:
    roster, settled = team(), NOW + 2 * SETTLED_MS
    admit(roster, "mallory", "dave")
    roster.merge_removals([removal(roster, "mallory", "mallory")], settled)
    admit(roster, "bob", "dave", now=settled)
    assert roster.member("dave").key == key("dave")
    assert roster.merge([signed(roster, "carol", "false", "dave", 1)], [], settled)[0]
    assert roster.member("dave").key == key("dave")


def test_who_let_in_many_is_removed_with_all_of_them_on_request() -> None:
    roster = team()
    admit(roster, "mallory", "dave")
    admit(roster, "dave", "erin")
    admit(roster, "mallory", "desk", "mallory+desk")
    said = roster.remove(someone("bob"), "mallory", NOW)
    # A further clone is the same person.
    assert {roster.name_of(one.key) for one in said} == {"mallory", "mallory+desk"}
    again = team()
    admit(again, "mallory", "dave")
    admit(again, "dave", "erin")
    again.remove(someone("carol"), "mallory", NOW, with_invited=True)
    assert list(again.members) == ["alice", "bob", "carol"] and set(again.former) == {"mallory", "dave", "erin"}


def test_who_leaves_keeps_everyone_else_in() -> None:
    roster = team()
    roster.leave(someone("bob"), NOW)
    assert list(roster.members) == ["alice", "mallory", "carol"]
    with pytest.raises(NotPossibleNow, match="no longer in the team"):
        roster.leave(someone("bob"), NOW)
    # Who left may be removed as well, so that nothing that they might sign by and by counts.
    assert len(roster.remove(someone("mallory"), "bob", NOW)) == 1


def test_the_founder_removes_who_removes_everybody_and_all_are_in_again() -> None:
    roster = team()
    attack = [removal(roster, "mallory", who, keeps=TEAM) for who in ("alice", "bob", "carol")]
    assert after(roster, *attack) == ["mallory"]
    assert after(roster, *attack, removal(roster, "alice", "mallory")) == ["alice", "bob", "carol"]
    # Nobody who was removed by someone as near to the founder, or nearer, comes back by themselves.
    roster.merge_removals(attack, NOW)
    with pytest.raises(NotPossibleNow):
        roster.remove(someone("bob"), "mallory", NOW)
    assert roster.counter_removals(key("bob"), [removal(roster, "bob", "mallory")]) == []
    counter = removal(roster, "alice", "mallory")
    others = [removal(roster, "alice", "carol"), attack[0]]
    assert roster.counter_removals(key("alice"), [counter, *others]) == [counter]
    roster.remove(someone("alice"), "mallory", NOW, restore=True)
    assert list(roster.members) == ["alice", "bob", "carol"]


def test_whom_an_honest_member_removed_stays_out_when_that_member_goes() -> None:
    roster = team()
    roster.remove(someone("bob"), "mallory", NOW)
    roster.remove(someone("alice"), "bob", NOW)
    assert list(roster.members) == ["alice", "carol"]
    roster = team()
    roster.remove(someone("bob"), "mallory", NOW)
    roster.remove(someone("alice"), "bob", NOW, restore=True)
    assert list(roster.members) == ["alice", "carol", "mallory"] or list(roster.members) == [
        "alice",
        "mallory",
        "carol",
    ]


def test_of_two_as_near_who_remove_each_other_both_go() -> None:
    roster = team()
    both = [removal(roster, "bob", "mallory"), removal(roster, "mallory", "bob", keeps=("carol",))]
    assert after(roster, *both) == after(roster, *both[::-1]) == ["alice", "carol"]


def test_what_a_stranger_of_theirs_removes_does_not_count() -> None:
    roster = team()
    made_up = signed(roster, "mallory", "false", "fay", 1)
    said = [removal(roster, "alice", "mallory"), removal(roster, "false", "bob"), removal(roster, "false", "carol")]
    assert after(roster, *said, admissions=(made_up,)) == ["alice", "bob", "carol"]


def test_nobody_comes_nearer_to_the_founder_than_their_admitter() -> None:
    roster = team()
    helped = signed(roster, "mallory", "carol", "other", 1)  # carol, whom bob let in, is two steps away either way
    said = [removal(roster, "carol", "alice"), removal(roster, "alice", "carol")]
    assert after(roster, *said, admissions=(helped,)) == ["alice", "bob", "mallory"]


WORDS = st.permutations(range(10))


@given(WORDS, WORDS, st.lists(st.booleans(), min_size=10, max_size=10))
def test_machines_agree_whatever_they_heard_first(one: list[int], other: list[int], known: list[bool]) -> None:
    roster = team()
    admit(roster, "mallory", "dave")
    said: list[Admission | Removal] = [
        removal(roster, "bob", "mallory", keeps=("dave",)),
        removal(roster, "mallory", "bob"),
        removal(roster, "mallory", "alice"),
        removal(roster, "dave", "carol"),
        removal(roster, "carol", "dave", upholds=("carol",)),
        removal(roster, "dave", "dave"),
        removal(roster, "false", "alice"),
        removal(roster, "mallory", "bob", keeps=("carol",)),
        signed(roster, "mallory", "false", "fay", 1),
        removal(roster, "alice", "mallory") if known[0] else removal(roster, "alice", "bob"),
    ]
    said = [word for word, is_said in zip(said, known, strict=True) if is_said or isinstance(word, Admission)]
    machines = [copy_of(roster), copy_of(roster)]
    for machine, order in zip(machines, (one, other), strict=True):
        for number in 3 * order:  # what is about somebody unknown has to be said again
            for word in said[number : number + 1]:
                if isinstance(word, Admission):
                    machine.merge([word], [], NOW)
                else:
                    machine.merge_removals([word], NOW)
    first, second = machines
    assert first.members == second.members and first.former == second.former
    assert first.removals == second.removals
    written = Roster(roster.team)
    written.restore(dict.fromkeys(second.admissions.values(), NOW), [], NOW, second.removals.values())
    assert written.members == first.members


def test_no_more_is_kept_of_what_one_member_says_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    roster = team()
    first = removal(roster, "mallory", "bob", keeps=TEAM)
    monkeypatch.setattr("bough_daemon.team.roster.REMOVALS_BYTES", first.size + 200)
    assert roster.merge_removals([first], NOW) == [first]
    assert roster.merge_removals([removal(roster, "mallory", "carol", keeps=TEAM)], NOW) == []
    # Of two about one member the one counts that has the smaller digest, so that they cannot go on for ever.
    again = [removal(roster, "mallory", "bob", keeps=(who,)) for who in TEAM]
    least = min([first, *again], key=lambda one: one.digest)
    roster.merge_removals(again, NOW)
    assert list(roster.removals.values()) == [least]
    roster.remove(someone("alice"), "mallory", NOW)
    assert "mallory" not in roster.members


def test_what_could_not_be_written_down_is_as_never_said() -> None:
    roster = team()
    said = roster.remove(someone("bob"), "mallory", NOW)
    roster.withdraw(said, NOW)
    assert set(roster.members) == set(TEAM) and not roster.former and not roster.removals
