"""Who is in the team, as its members see it and change it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
from bough_daemon.team.fingerprints import readable_fingerprint

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join

Three = tuple[Member, Member, Member]


@pytest.fixture
def three(members: Callable[[str], Member]) -> Three:
    """Alice, who founded the team; bob, whom she let in; carol, whom bob let in."""
    alice, bob, carol = members("alice"), members("bob"), members("carol")
    alice.bough("up")
    join(alice, bob)
    join(bob, carol)
    for member in (alice, carol):  # what they save may reach each other through bob
        until(lambda: sum(one["connected"] for one in team(member).values()) == 3)
    for member, others in ((alice, ("bob", "carol")), (carol, ("alice", "bob"))):
        member.bough("save", "--wait", *others)
    return alice, bob, carol


def team(member: Member, *options: str) -> dict[str, dict[str, Any]]:
    listed = [json.loads(line) for line in member.bough("team", "--json", *options).splitlines()]
    return {one["name"]: one for one in listed}


def names(member: Member) -> list[str]:
    return list(team(member))


def test_the_team_is_listed_with_who_let_whom_in(three: Three) -> None:
    alice, _, carol = three
    listed = team(alice)
    assert [one["admitted_by"] for one in listed.values()] == ["", "alice", "bob"]
    assert [one["is_me"] for one in listed.values()] == [True, False, False]
    assert all(one["connected"] and one["removed_by"] == "" for one in listed.values())
    prints = {one["fingerprint"] for one in listed.values()}
    assert len(prints) == 3 and prints == {one["fingerprint"] for one in team(carol).values()}
    lines = alice.bough("team").splitlines()
    version = f"Bough {metadata.version('bough')}"
    assert lines[0] == f"● alice  {listed['alice']['fingerprint']}" and lines[1].endswith(f", you, {version}")
    assert f"{version}, {listed['carol']['addresses'][0]}" in lines[5]
    assert "  invited by bob" in lines[5] and ", connected, " in lines[5]
    carol.ends()
    until(lambda: not team(alice)["carol"]["connected"])
    assert "○ carol  " in alice.bough("team") and ", last seen " in alice.bough("team").splitlines()[5]


def test_a_fingerprint_that_is_read_out_is_somebodys_or_has_a_typing_error(three: Three) -> None:
    alice, bob, carol = three
    listed = team(alice)
    spoken = listed["bob"]["fingerprint"].lower().replace("-", " ").replace("0", "o")
    assert alice.bough("team", "--verify", spoken) == "This is the fingerprint of bob"
    assert bob.bough("team", "--verify", spoken) == "This is your own fingerprint: you are bob"
    assert json.loads(carol.bough("team", "--verify", spoken, "--json"))["name"] == "bob"
    wrong = spoken.replace(spoken[3], "8" if spoken[3] != "8" else "9", 1)
    answer = alice.types("team", "--verify", wrong)
    assert answer.code == 2 and "typing error in group" in answer.err, answer
    stranger = alice.types("team", "--verify", readable_fingerprint(bytes(32)))
    assert stranger.code == 1 and "no member of the team" in stranger.err, stranger
    alice.bough("remove", "bob", "--yes")
    assert "bob, who is no longer in the team: removed by alice" in alice.bough("team", "--verify", spoken)


def test_one_who_is_removed_sees_it_and_the_others_go_on(three: Three) -> None:
    alice, bob, carol = three
    asked = alice.types("remove", "bob")
    assert asked.code == 1 and "needs confirmation" in asked.err and "--yes" in asked.err
    done = alice.types("remove", "bob", "--yes")
    assert done.code == 0 and done.out == "Removed bob from the team\n", done
    assert "They keep their copies of the branches alice, carol." in done.err
    until(lambda: names(carol) == ["alice", "carol"])
    listed = team(carol, "--all")
    assert listed["bob"]["removed_by"] == "alice" and not listed["bob"]["connected"]
    assert "removed by alice" in carol.bough("team", "--all") and "bob" not in carol.bough("status").split("●", 1)[1]
    until(lambda: bool(bob.told("status")["out"]))
    said = bob.bough("status")
    assert "alice removed you from the team (" in said and "recorded on this machine only" in said
    assert "You still have your copies of the branches alice, carol." in said
    assert bob.told("status")["teammates"] == [] and bob.told("status")["state"] == "live"
    (bob.tree / "mine.txt").write_text("still recorded\n")
    saved = bob.told("save")
    assert bob.bough("git", "show", f"{saved['tip']}:mine.txt") == "still recorded"
    waited = bob.types("save", "--wait", "alice")
    assert waited.code == 1 and "alice removed you from the team" in waited.err
    doctor = bob.types("doctor")
    assert doctor.code == 1 and "!!  team: alice removed you from the team" in doctor.out
    (alice.tree / "a.txt").write_text("without bob\n")
    alice.bough("save", "--wait", "carol")
    assert "without bob" not in bob.bough("git", "show", "alice:a.txt")
    # It is as before when all are started again.
    for member in (alice, bob):
        member.ends()
    assert names(alice) == ["alice", "carol"] and bob.told("status")["out"]
    bob.bough("invite", "--listen", "127.0.0.1")
    assert bob.told("status")["out"] == "" and names(bob) == ["bob"]


def test_what_cannot_be_removed_is_told_in_one_sentence(three: Three) -> None:
    alice, bob, _ = three
    for typed, said in (
        ("dave", "the team has no member named dave"),
        ("alice", "you cannot remove yourself"),
        ("x\n\x1b[31m", "the team has no member named x\\n\\033[31m"),
    ):
        answer = alice.types("remove", typed, "--yes")
        assert answer.code == 1 and said in answer.err and "Traceback" not in answer.err, answer
    bob.bough("remove", "carol", "--yes")
    until(lambda: "carol" not in names(alice))
    again = alice.types("remove", "carol", "--yes")
    assert again.code == 1 and "carol was already removed from the team, by bob" in again.err


def test_who_leaves_goes_on_alone_and_joins_again_under_another_name(three: Three) -> None:
    alice, bob, carol = three
    assert "needs confirmation" in bob.types("leave").err
    left = bob.types("leave", "--yes")
    assert left.code == 0 and left.out.startswith("You left the team"), left
    assert "You keep your copies of the branches alice, carol; teammates keep their copies of yours." in left.err
    until(lambda: names(alice) == ["alice", "carol"] == names(carol))
    assert team(alice, "--all")["bob"]["removed_by"] == "bob" and "left " in alice.bough("team", "--all")
    assert "you left the team (" in bob.bough("status")
    again = bob.types("leave", "--yes")
    assert again.code == 1 and "no longer in the team" in again.err
    ticket = alice.bough("invite", "--listen", "127.0.0.1").splitlines()[-1]
    taken = bob.types("join", ticket, "--as", "bob")
    assert taken.code == 1 and "the team had a member named bob" in taken.err, taken
    assert bob.told("join", ticket)["member"] == "bob-2"
    alice.bough("save", "--wait", "bob-2")
    assert "bob-2" in bob.bough("status")


def test_who_is_removed_with_those_whom_they_let_in(three: Three) -> None:
    alice, _, carol = three
    removed = alice.told("remove", "bob", "--with-invited", "--yes")
    assert removed["removed"] == ["bob", "carol"] and "alice" in removed["copies"]
    until(lambda: carol.told("status")["out"] == "alice removed you from the team")
    assert names(alice) == ["alice"]
