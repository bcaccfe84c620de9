"""Signed states: nobody can say what another's branch is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_daemon.errors import PeerRefused
from bough_daemon.team.branch_state import BranchKind, Key, State, branch_owner, check_state
from bough_daemon.team.roster import Roster

from tests.daemon.team.test_roster import NOW, admit, someone

TIP, BASE = "1" * 40, "2" * 40


@pytest.fixture
def roster() -> Roster:
    """A team of alice and bob."""
    made = Roster.found(someone("alice"), "alice", NOW)
    admit(made, "alice", "bob")
    return made


def state_of(roster: Roster, member: str, branch: str | bytes, by: str, kind: BranchKind = BranchKind.LIVE) -> State:
    """Return a state that `by` has signed."""
    key = Key(member, kind, branch.encode() if isinstance(branch, str) else branch)
    return State(roster.team, key, 1, TIP, BASE, NOW).signed(someone(by))


@pytest.mark.parametrize("branch", ["alice", "alice+docs"])
def test_a_member_says_what_their_branches_are(roster: Roster, branch: str) -> None:
    state = state_of(roster, "alice", branch, "alice")
    assert check_state(state, roster) == state


@pytest.mark.parametrize(("member", "branch"), [("alice", "alice"), ("bob", "alice"), ("bob", "alice+docs")])
def test_a_state_signed_by_another_member_for_my_branch_is_refused(roster: Roster, member: str, branch: str) -> None:
    with pytest.raises(PeerRefused):
        check_state(state_of(roster, member, branch, "bob"), roster)


def test_a_state_of_another_team_is_refused(roster: Roster) -> None:
    other = Roster.found(someone("alice"), "alice", NOW)
    with pytest.raises(PeerRefused, match="another team"):
        check_state(state_of(other, "alice", "alice", "alice"), roster)
    moved = replace(state_of(other, "alice", "alice", "alice"), team=roster.team)
    with pytest.raises(PeerRefused, match="not signed"):
        check_state(moved, roster)


@pytest.mark.parametrize("change", [{"sequence": 2}, {"tip": BASE}, {"base": TIP}, {"time": NOW + 1}])
def test_an_altered_state_is_refused(roster: Roster, change: dict[str, object]) -> None:
    altered = replace(state_of(roster, "alice", "alice", "alice"), **change)  # type: ignore[arg-type]
    with pytest.raises(PeerRefused, match="not signed"):
        check_state(altered, roster)


def test_a_live_state_is_no_landed_state(roster: Roster) -> None:
    live = state_of(roster, "alice", "alice", "alice")
    with pytest.raises(PeerRefused):
        check_state(replace(live, key=Key("alice", BranchKind.LANDED, b"alice")), roster)


def test_a_state_of_nobody_is_refused(roster: Roster) -> None:
    with pytest.raises(PeerRefused, match="not in the team"):
        check_state(state_of(roster, "mallory", "mallory", "mallory"), roster)


@pytest.mark.parametrize("branch", [b"../x", b"alice/x", b"alice\xff", b"HEAD"])
def test_a_live_branch_is_named_as_a_member(roster: Roster, branch: bytes) -> None:
    with pytest.raises(PeerRefused):
        check_state(state_of(roster, "alice", branch, "alice"), roster)


@pytest.mark.parametrize(("branch", "good"), [(b"main", True), (b"f\xfcr/x", True), (b"../x", False), (b"a..b", False)])
def test_a_landed_branch_is_any_that_git_takes(roster: Roster, branch: bytes, good: bool) -> None:
    state = state_of(roster, "bob", branch, "bob", BranchKind.LANDED)
    if good:
        assert check_state(state, roster) == state
    else:
        with pytest.raises(PeerRefused):
            check_state(state, roster)


@pytest.mark.parametrize("tip", ["", "1" * 39, "--all", "HEAD", "1" * 40 + "\n"])
def test_a_tip_is_a_full_object_id(roster: Roster, tip: str) -> None:
    state = replace(state_of(roster, "alice", "alice", "alice"), tip=tip).signed(someone("alice"))
    with pytest.raises(PeerRefused, match="malformed"):
        check_state(state, roster)


def test_a_branch_is_its_members_where_a_member_has_that_very_name(roster: Roster) -> None:
    desktop = state_of(roster, "alice", "alice+desktop", "alice")
    assert check_state(desktop, roster)
    admit(roster, "alice", "carol", "alice+desktop")
    assert branch_owner(roster, "alice+desktop") == "alice+desktop"
    with pytest.raises(PeerRefused, match="may not publish"):
        check_state(desktop, roster)
