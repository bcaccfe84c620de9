"""Who is in a team, as everyone in it works it out for themselves."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bough_daemon.errors import BadName, NameTaken, NotPossibleNow, UnknownMember
from bough_daemon.home import Home
from bough_daemon.keys import Identity, load_identity
from bough_daemon.roster import SETTLED_MS, Admission, Contact, Roster
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000_000


@cache
def someone(who: str) -> Identity:
    """Return the identity of one of the people in these tests."""
    with TemporaryDirectory() as folder:
        return load_identity(Home(str(Path(folder) / who), folder))


def admit(roster: Roster, by: str, who: str, name: str | None = None, now: int | None = None) -> Admission:
    """Let someone in, later than all who are in: of two admissions at one time, random keys decide which is first."""
    new, later = someone(who), max(entry.time for entry in roster.admissions.values()) + 1
    return roster.admit(someone(by), name or who, new.key, new.certificate, new.vouch, later if now is None else now)


def copy_of(roster: Roster, now: int = NOW) -> Roster:
    """Return what someone knows who has heard everything."""
    made = Roster(roster.team)
    made.merge(list(roster.admissions.values()), list(roster.contacts.values()), now)
    return made


@pytest.fixture
def roster() -> Roster:
    """The roster of a team that alice founded."""
    return Roster.found(someone("alice"), "alice", NOW)


def test_whoever_has_the_id_of_a_team_can_verify_its_roster(roster: Roster) -> None:
    admit(roster, "alice", "bob")
    admit(roster, "bob", "carol")
    assert list(copy_of(roster).members) == ["alice", "bob", "carol"]


def test_another_team_has_another_id_even_of_the_same_founder(roster: Roster) -> None:
    other = Roster.found(someone("alice"), "alice", NOW)
    assert other.team != roster.team
    assert other.merge(roster.admissions.values(), [], NOW) == ([], [])


def test_a_team_is_never_larger_than_it_may_be(roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bough_daemon.roster.LARGEST", 3)
    for name in ("bob", "carol"):
        admit(roster, "alice", name)
    small = copy_of(roster)
    monkeypatch.setattr("bough_daemon.roster.LARGEST", 5)
    for name in ("dave", "eve"):
        admit(roster, "alice", name)
    monkeypatch.setattr("bough_daemon.roster.LARGEST", 3)
    small.merge(list(roster.admissions.values()), [], NOW)
    assert list(small.members) == ["alice", "bob", "carol"]


def test_who_is_in_no_team_can_let_nobody_in(roster: Roster) -> None:
    with pytest.raises(NotPossibleNow):
        admit(roster, "mallory", "bob")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "mallory"},
        {"key": b"\1" * 32},
        {"certificate": b"junk"},
        {"vouch": bytes(64)},
        {"time": NOW + 5},
        {"signature": bytes(64)},
        {"nonce": b"x"},
    ],
)
def test_an_altered_admission_is_dropped(roster: Roster, change: dict[str, object]) -> None:
    entry = admit(roster, "alice", "bob")
    reader = copy_of(Roster(roster.team, {d: a for d, a in roster.admissions.items() if a is not entry}))
    assert reader.merge([replace(entry, **change)], [], NOW) == ([], [])  # type: ignore[arg-type]
    assert reader.merge([entry], [], NOW)[0] == [entry]


def test_nobody_can_make_themselves_a_founder(roster: Roster) -> None:
    intruder = Roster.found(someone("mallory"), "mallory", NOW)
    own = next(iter(intruder.admissions.values()))
    signed = replace(own, signature=someone("mallory").sign(own.statement(roster.team)))
    assert roster.merge([signed], [], NOW) == ([], [])


def test_a_name_is_taken_once(roster: Roster) -> None:
    admit(roster, "alice", "bob")
    with pytest.raises(NameTaken):
        admit(roster, "alice", "carol", "bob")
    with pytest.raises(NotPossibleNow, match="already, as bob"):
        admit(roster, "alice", "bob", "robert")
    with pytest.raises(BadName):
        admit(roster, "alice", "carol", "HEAD")
    assert list(roster.members) == ["alice", "bob"]


def test_letting_the_same_one_in_again_changes_nothing(roster: Roster) -> None:
    first = admit(roster, "alice", "bob")
    assert admit(roster, "alice", "bob", now=NOW + 9) == first


@given(st.integers(0, 2**32))
def test_the_first_admission_of_a_name_wins_on_every_machine_alike(seed: int) -> None:
    chance = random.Random(seed)
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "carol", now=NOW + 1)
    apart = copy_of(roster)
    times = chance.sample(range(NOW + 2, NOW + 50), 2)
    admit(roster, "alice", "bob", now=times[0])
    admit(apart, "carol", "dave", "bob", now=times[1])
    entries = [*roster.admissions.values(), *apart.admissions.values()]
    for one, other in ((roster, apart), (apart, roster)):
        one.merge(chance.sample(list(other.admissions.values()), len(other.admissions)), [], NOW + 99)
    assert roster.members == apart.members == copy_of(Roster(roster.team, {e.digest: e for e in entries})).members
    winner = "bob" if times[0] < times[1] else "dave"
    assert roster.member("bob").key == someone(winner).key


def test_a_member_known_for_a_day_is_not_displaced_by_a_claim_to_be_older(roster: Roster) -> None:
    admit(roster, "alice", "carol", now=NOW + 1)
    apart = copy_of(roster)
    admit(roster, "alice", "bob", now=NOW + 20)
    forged = admit(apart, "carol", "mallory", "bob", now=NOW + 10)
    roster.merge([forged], [], NOW + 20 + SETTLED_MS)
    assert roster.member("bob").key == someone("bob").key


def test_who_was_admitted_by_one_who_lost_the_name_is_out_as_well(roster: Roster) -> None:
    admit(roster, "alice", "carol", now=NOW + 1)
    apart = copy_of(roster)
    admit(apart, "carol", "dave", "bob", now=NOW + 30)
    admit(apart, "dave", "erin", now=NOW + 40)
    admit(roster, "alice", "bob", now=NOW + 20)
    apart.merge(roster.admissions.values(), [], NOW + 50)
    assert list(apart.members) == ["alice", "carol", "bob"]


def test_a_member_alone_says_where_they_listen_and_the_latest_word_counts(roster: Roster) -> None:
    admit(roster, "alice", "bob")
    old = roster.announce(someone("bob"), ["10.0.0.1:1"], NOW)
    new = roster.announce(someone("bob"), ["10.0.0.2:2"], NOW)
    reader = copy_of(Roster(roster.team, roster.admissions))
    assert reader.merge([], [new], NOW)[1] == [new]
    assert reader.merge([], [old], NOW)[1] == []
    assert reader.addresses("bob") == ("10.0.0.2:2",)
    forged = replace(new, time=NOW + 99, addresses=("6.6.6.6:6",))
    assert reader.merge([], [forged], NOW)[1] == []


@pytest.mark.parametrize("address", ["unix:/tmp/x", "host", "host:99999999", "a b:1", "x" * 300 + ":1", "ä:1"])
def test_a_contact_that_is_no_address_is_dropped(roster: Roster, address: str) -> None:
    plain = Contact(someone("alice").key, (address,), NOW)
    signed = replace(plain, signature=someone("alice").sign(plain.statement(roster.team)))
    assert roster.merge([], [signed], NOW)[1] == []


def test_a_member_whom_nobody_knows_is_unknown(roster: Roster) -> None:
    with pytest.raises(UnknownMember):
        roster.member("bob")
    assert roster.by_key(b"x") is None
    assert roster.by_certificate(b"x") is None
