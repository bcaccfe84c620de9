"""Who is in a team, as everyone in it works it out for themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bough_daemon.errors import BadName, NameTaken, NotPossibleNow, UnknownMember
from bough_daemon.home import Home
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.roster import SETTLED_MS, Admission, Contact, Roster
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
    monkeypatch.setattr("bough_daemon.team.roster.LARGEST", 3)
    for name in ("bob", "carol"):
        admit(roster, "alice", name)
    small = copy_of(roster)
    monkeypatch.setattr("bough_daemon.team.roster.LARGEST", 5)
    for name in ("dave", "eve"):
        admit(roster, "alice", name)
    monkeypatch.setattr("bough_daemon.team.roster.LARGEST", 3)
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
    with pytest.raises(NotPossibleNow, match="already in the team, as bob"):
        admit(roster, "alice", "bob", "robert")
    with pytest.raises(BadName):
        admit(roster, "alice", "carol", "HEAD")
    assert list(roster.members) == ["alice", "bob"]


def test_letting_the_same_one_in_again_changes_nothing(roster: Roster) -> None:
    first = admit(roster, "alice", "bob")
    assert admit(roster, "alice", "bob", now=NOW + 9) == first


LONG = SETTLED_MS + 100
TIMES = st.integers(0, 2**62)


@given(st.sampled_from(["alice", "carol", "dave"]), st.sampled_from(["alice", "carol", "dave"]), TIMES, st.integers(1))
def test_a_known_name_or_key_is_displaced_by_no_later_admission(by: str, forger: str, time: int, after: int) -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "carol")
    admit(roster, "carol", "dave")
    entry = admit(roster, by, "bob")
    known_for = LONG if nearer(forger, by) else after % LONG
    name_of_bob = signed(roster, forger, "erin", "bob", time)
    bob_as_erin = signed(roster, forger, "bob", "erin", time)
    roster.merge([name_of_bob, bob_as_erin], [], NOW + known_for)
    assert roster.member("bob") == entry and roster.by_key(someone("bob").key) == entry
    assert sorted(roster.members) == ["alice", "bob", "carol", "dave"]
    told = {name_of_bob, bob_as_erin} if by != forger else {name_of_bob}
    assert {rival.admission for rival in roster.rivals} == told
    assert {rival.counts for rival in roster.rivals} == {entry}
    assert newcomer(roster).members == roster.members


def nearer(one: str, other: str) -> bool:
    """Return whether one of these members is nearer to the founder than the other."""
    depths = {"alice": 0, "carol": 1, "dave": 2}
    return depths[one] < depths[other]


def signed(roster: Roster, by: str, who: str, name: str, time: int) -> Admission:
    """Return an admission by a member whose daemon would never sign it."""
    new = someone(who)
    return roster.signed(someone(by), name, new.key, new.certificate, new.vouch, time)


def newcomer(roster: Roster, now: int = NOW) -> Roster:
    """Return what a new member knows, who learned it all from one who is in the team."""
    made = Roster(roster.team)
    made.restore(dict.fromkeys(roster.admissions.values(), 0), list(roster.contacts.values()), now)
    return made


@given(st.permutations(["alice", "mallory", "bob", "forged", "renamed"]), TIMES)
def test_in_whatever_order_they_are_heard_of_the_admission_by_the_founder_counts(order: list[str], time: int) -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    entries = {"alice": next(iter(roster.admissions.values()))}
    entries |= {name: admit(roster, "alice", name) for name in ("mallory", "bob")}
    entries["forged"] = signed(roster, "mallory", "erin", "bob", time)
    entries["renamed"] = signed(roster, "mallory", "bob", "loser", time)
    apart = Roster(roster.team)
    for name in 3 * order:  # some have to be said again, once their admitter is known
        apart.merge([entries[name]], [], NOW)
    assert apart.members == roster.members
    assert {rival.admission for rival in apart.rivals} == {entries["forged"], entries["renamed"]}
    after = copy_of(apart)
    after.merge(entries.values(), [], NOW + SETTLED_MS)
    assert after.members == roster.members


def test_machines_that_heard_of_different_ones_agree_where_one_admitter_is_nearer_to_the_founder() -> None:
    alices = Roster.found(someone("alice"), "alice", NOW)
    admit(alices, "alice", "carol")
    carols = copy_of(alices)
    mine, hers = admit(alices, "alice", "bob"), admit(carols, "carol", "dave", "bob")
    admit(carols, "dave", "erin")
    for one, other in ((alices, carols), (carols, alices)):
        one.merge(list(other.admissions.values()), [], NOW + 99)
    # Whom dave let in is out with him.
    assert alices.members == carols.members and list(alices.members) == ["alice", "carol", "bob"]
    assert alices.member("bob") == mine and [rival.admission for rival in alices.rivals] == [hers]
    for roster in (alices, carols, newcomer(carols)):
        roster.merge([], [], NOW + 2 * SETTLED_MS)
        assert roster.member("bob") == mine


def test_what_was_known_for_long_stays_though_another_is_nearer_to_the_founder() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "carol")
    entry = admit(roster, "carol", "bob")
    roster.merge([signed(roster, "alice", "erin", "bob", NOW)], [], NOW + LONG)
    assert roster.member("bob") == entry
    assert newcomer(roster, NOW + 2 * SETTLED_MS).member("bob") == entry


def test_the_further_names_of_a_member_are_that_members_to_give(roster: Roster) -> None:
    admit(roster, "alice", "bob")
    with pytest.raises(NameTaken, match="only alice can admit alice\\+laptop"):
        admit(roster, "bob", "mallory", "alice+laptop")
    assert roster.merge([signed(roster, "bob", "mallory", "alice+laptop", NOW)], [], NOW) == ([], [])
    laptop = admit(roster, "alice", "laptop", "alice+laptop")
    assert laptop in copy_of(roster).members.values()
    # Nor is the laptop alice.
    assert roster.merge([signed(roster, "laptop", "mallory", "alice+agent", NOW)], [], NOW) == ([], [])
    # A name before the + that nobody has is nobody's.
    assert roster.merge([signed(roster, "bob", "mallory", "carol+laptop", NOW)], [], NOW) == ([], [])


def test_who_took_a_members_name_in_vain_gives_no_further_ones_either(roster: Roster) -> None:
    admit(roster, "alice", "mallory")
    admit(roster, "alice", "bob")
    false_bob, more = signed(roster, "mallory", "erin", "bob", 1), signed(roster, "erin", "dave", "bob+desktop", 2)
    roster.merge([false_bob, more], [], NOW)
    assert list(roster.members) == ["alice", "mallory", "bob"]


def test_a_member_lets_another_in_once_and_only_so_many_with_all_who_follow(
    roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit(roster, "alice", "mallory")
    first = admit(roster, "mallory", "bob")
    again = [signed(roster, "mallory", "bob", f"bob-{number}", NOW) for number in range(9)]
    assert roster.merge(again, [], NOW) == ([], [])
    monkeypatch.setattr("bough_daemon.team.roster.MOST_BELOW", 3)
    admit(roster, "bob", "carol")
    admit(roster, "carol", "dave")
    for by in ("mallory", "bob", "dave"):
        with pytest.raises(NotPossibleNow, match="too many"):
            admit(roster, by, "erin")
    assert admit(roster, "alice", "erin") in roster.members.values() and first in roster.members.values()


def test_what_was_written_down_and_is_no_longer_taken_is_left_out_and_counted(roster: Roster) -> None:
    entry = admit(roster, "alice", "bob")
    odd = replace(entry, certificate=entry.certificate + b"\0")
    made = Roster(roster.team)
    made.restore(dict.fromkeys([*roster.admissions.values(), odd], 0), [], NOW)
    assert made.members == roster.members and made.dropped == 1


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


def test_of_two_contacts_with_one_time_the_same_one_counts_on_all_machines(roster: Roster) -> None:
    copied = copy_of(roster)
    one = roster.announce(someone("alice"), ["10.0.0.1:1"], NOW)
    other = copied.announce(someone("alice"), ["10.0.0.2:2"], NOW)
    assert roster.merge([], [other], NOW)[1] == [other] and copied.merge([], [one], NOW)[1] == []
    assert roster.addresses("alice") == copied.addresses("alice") == ("10.0.0.2:2",)


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
