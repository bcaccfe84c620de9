"""Which purges of a team's members count, and which contents another member may have purged here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.git.objects import EMPTY_BLOB
from bough_daemon.home import Home
from bough_daemon.purging.rights import Holders, verdict
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.purges import (
    ID_BYTES,
    MOST_CONTENTS,
    MOST_OF_MEMBER,
    MOST_PURGES,
    Purge,
    PurgeAnswer,
    PurgeOutcome,
    Purges,
)
from bough_daemon.team.roster import Roster

A, B, C = "a" * 40, "b" * 40, "c" * 40


def identity(folder: Path) -> Identity:
    return load_identity(Home(str(folder), str(folder)))


@pytest.fixture
def alice(tmp_path: Path) -> Identity:
    return identity(tmp_path / "alice")


@pytest.fixture
def purges(alice: Identity) -> Purges:
    return Purges(Roster.found(alice, "alice", 1))


def test_a_purge_counts_once_and_only_as_its_member_signed_it(purges: Purges, alice: Identity, tmp_path: Path) -> None:
    team, stranger = purges.roster.team, identity(tmp_path / "stranger")
    good = Purge.of([A, B], team, alice, 5)
    bad = [
        replace(good, time=6),
        replace(good, contents=bytes(ID_BYTES)),
        Purge.of([A], "0" * 32, alice, 5),
        Purge.of([A], team, stranger, 5),
        replace(Purge.of([A], team, stranger, 5), by=alice.key),
        replace(good, contents=b""),
        replace(good, contents=b"x"),
    ]
    assert purges.merge([*bad, good, good], []) == ([good], [])
    assert purges.merge([good], []) == ([], [])
    assert purges.ids_of("alice") == {A, B} and purges.ids_of("bob") == frozenset()


def test_the_empty_file_cannot_be_purged(purges: Purges, alice: Identity) -> None:
    assert Purge.of([A, EMPTY_BLOB], purges.roster.team, alice, 5).ids == {A}


def test_one_member_may_ask_for_so_much_and_no_more(purges: Purges, alice: Identity) -> None:
    team = purges.roster.team
    many = [f"{number:040x}" for number in range(MOST_CONTENTS + 1)]
    assert purges.merge([Purge.of(many, team, alice, 1)], []) == ([], [])
    for number in range(MOST_OF_MEMBER // MOST_CONTENTS):
        assert purges.merge([Purge.of(many[1:], team, alice, number)], [])[0]
    assert purges.merge([Purge.of([A], team, alice, 99)], []) == ([], [])
    few = Purges(purges.roster)
    taken = few.merge([Purge.of([A], team, alice, number) for number in range(MOST_PURGES + 5)], [])[0]
    assert len(taken) == MOST_PURGES


def test_of_answers_the_newest_counts_and_only_to_what_was_asked(purges: Purges, alice: Identity) -> None:
    team = purges.roster.team
    purge = Purge.of([A], team, alice, 5)
    first = PurgeAnswer(purge.digest, alice.key, PurgeOutcome.ASKED, 10).signed(team, alice)
    later = PurgeAnswer(purge.digest, alice.key, PurgeOutcome.DONE, 11).signed(team, alice)
    assert purges.merge([], [first]) == ([], [])
    assert purges.open_for(b"x" * 32) == []
    assert purges.merge([purge], [first]) == ([purge], [first])
    assert purges.open_for(alice.key) == [purge]
    assert purges.merge([], [later, first, replace(first, time=12)]) == ([], [later])
    assert purges.open_for(alice.key) == []
    assert purges.open_for(b"x" * 32) == [purge]


def test_what_is_mine_or_anothers_is_not_theirs_to_purge() -> None:
    def judged(found: Holders, committed: frozenset[str] = frozenset()) -> tuple[frozenset[str], PurgeOutcome]:
        agreed = {"carol": frozenset([C])}
        told = verdict(found, [A], "bob", lambda name: agreed.get(name, frozenset()), lambda name: name, committed)
        return told.ids, told.outcome

    assert judged(Holders()) == (frozenset([A]), PurgeOutcome.DONE)
    assert judged(Holders(brought={A: {"bob"}})) == (frozenset([A]), PurgeOutcome.DONE)
    assert judged(Holders(own={A})) == (frozenset(), PurgeOutcome.ASKED)
    assert judged(Holders(own={A}, brought={A: {"bob"}})) == (frozenset(), PurgeOutcome.ASKED)
    assert judged(Holders(brought={A: {"carol"}})) == (frozenset(), PurgeOutcome.ASKED)
    assert judged(Holders(theirs={"carol": {A}, "bob": {A}})) == (frozenset(), PurgeOutcome.WAITS)
    assert judged(Holders(theirs={"carol": {B}})) == (frozenset([A]), PurgeOutcome.DONE)
    assert judged(Holders(), frozenset([A])) == (frozenset(), PurgeOutcome.IN_GIT)
