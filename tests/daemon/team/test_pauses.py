"""Who has paused sharing is known by their own signed word, and the newest one counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.team.pauses import LATEST, MemberPause, Pauses
from bough_daemon.team.roster import Roster

from tests.daemon.team.test_roster import NOW, admit, someone


@pytest.fixture
def roster() -> Roster:
    """Alice and bob."""
    founded = Roster.found(someone("alice"), "alice", NOW)
    admit(founded, "alice", "bob")
    return founded


def word(roster: Roster, name: str, since: int, time: int) -> MemberPause:
    return MemberPause(b"", since, time).signed(roster.team, someone(name))


def test_the_newest_word_counts_in_whatever_order_they_come(roster: Roster) -> None:
    pauses = Pauses(roster)
    paused, shares = word(roster, "bob", 5, 10), word(roster, "bob", 0, 11)
    assert pauses.merge([paused]) == [paused] and pauses.merge([paused]) == []
    assert pauses.merge([shares]) == [shares] and pauses.merge([paused]) == []
    assert pauses.counting() == [shares]


def test_nobody_pauses_another(roster: Roster) -> None:
    pauses, bobs = Pauses(roster), word(roster, "bob", 5, 10)
    forged = (
        replace(bobs, since=6),
        replace(bobs, time=11),
        replace(bobs, by=someone("alice").key),
        replace(word(roster, "alice", 5, 10), by=someone("bob").key),
        MemberPause(b"", 5, 10).signed("ff" * 16, someone("bob")),
        word(roster, "carol", 5, 10),
        word(roster, "bob", 5, LATEST),
        word(roster, "bob", LATEST, 5),
    )
    assert pauses.merge(forged) == [] and pauses.counting() == []


def test_the_word_of_who_is_no_longer_in_the_team_does_not_count(roster: Roster) -> None:
    pauses = Pauses(roster)
    pauses.merge([word(roster, "bob", 5, 10)])
    roster.remove(someone("alice"), "bob", NOW)
    assert pauses.counting() == []


def test_ones_own_word_is_said_when_it_changes_and_is_newer_than_the_last_whatever_the_clock_says(
    roster: Roster,
) -> None:
    pauses, alice = Pauses(roster), someone("alice")
    assert pauses.own(alice, 0, 10) is None, "who has never paused says nothing"
    first = pauses.own(alice, 5, 10)
    assert first is not None and pauses.merge([first]) == [first]
    assert pauses.own(alice, 5, 20) is None
    later = pauses.own(alice, 0, 3)
    assert later is not None and later.time > first.time and pauses.merge([later]) == [later]
