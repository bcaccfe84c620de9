"""A hub, as the members of its teams and the person who runs it see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.launch import is_running, wait_until_ended
from bough_daemon.home import Home

from tests.cli.conftest import Member, Typed, until

Members = Callable[[str], Member]
LISTEN = ("--listen", "127.0.0.1:0")


class HubMachine(Member):
    """A machine with a hub: nobody has a working tree there."""

    def hub(self, *words: str) -> Typed:
        """Type a `bough hub` command."""
        return self.types("hub", *words, "--folder", str(self.home))

    def joins(self, ticket: str, *words: str) -> str:
        """Join a team, and return the hub's name in it."""
        typed = self.hub("join", ticket, *LISTEN, *words)
        assert typed.code == 0, typed
        return str(self.teams()[-1]["member"])

    def teams(self) -> list[dict[str, Any]]:
        """Return the teams that the hub is in."""
        teams: list[dict[str, Any]] = self.told("hub", "status", "--folder", str(self.home))["teams"]
        return teams

    def keeps(self, branch: str) -> str:
        """Return the tip that is kept of a branch; empty where none is."""
        branches = [one for team in self.teams() for member in team["members"] for one in member["branches"]]
        return next((str(one["tip"]) for one in branches if one["name"] == branch), "")

    def starts_again(self) -> None:
        """Start the hub as after a reboot."""
        assert self.hub("start").code == 0


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[Callable[[str], HubMachine]]:
    """Make machines for hubs, whose hubs end with the test."""
    made: list[HubMachine] = []

    def make(name: str) -> HubMachine:
        empty = tmp_path / f"empty {name}"
        empty.mkdir()
        made.append(HubMachine(name, empty, tmp_path / f"hüb {name}"))
        return made[-1]

    yield make
    for hub in made:
        hub.ends()


@pytest.fixture
def hub(hubs: Callable[[str], HubMachine]) -> HubMachine:
    """A machine that is to be a hub."""
    return hubs("one")


def ticket_of(member: Member, uses: int = 9) -> str:
    return str(member.told("invite", *LISTEN, "--uses", str(uses))["ticket"])


def saves(member: Member, text: str) -> str:
    """Write a file, save it, and return the tip that the team sees."""
    (member.tree / f"{member.name}.txt").write_text(text)
    member.bough("save")
    return str(member.told("status")["shared_tip"])


def sees(member: Member, branch: str) -> str:
    """Return the tip that a member has of a teammate's branch."""
    return next((str(one["tip"]) for one in member.told("status")["teammates"] if one["branch"] == branch), "")


def test_members_who_are_never_online_together_get_each_others_work(members: Members, hub: HubMachine) -> None:
    alice, bob, carol = (members(name) for name in ("alice", "bob", "carol"))
    alice.bough("up")
    ticket = ticket_of(alice)
    assert hub.joins(ticket) == "hub"
    bob.bough("join", ticket, *LISTEN)
    carol.bough("join", ticket, *LISTEN)
    carol.ends()
    tip = saves(bob, "while carol is away\n")
    bob.bough("save", "--wait", "hub")
    hub.is_killed()
    bob.ends()
    alice.ends()
    hub.starts_again()
    assert hub.keeps("bob") == tip
    carol.bough("up")
    until(lambda: sees(carol, "bob") == tip)
    assert "while carol is away" in carol.bough("git", "show", "bob:bob.txt")
    until(lambda: "hub, keeps every branch" in carol.bough("status"))
    assert "hub, keeps every branch" in carol.bough("team")
    # What she does meanwhile is there for him, too.
    answer = saves(carol, "while bob is away\n")
    until(lambda: hub.keeps("carol") == answer)
    carol.ends()
    bob.bough("up")
    until(lambda: sees(bob, "carol") == answer)


def test_a_hub_lets_people_in_while_the_maker_of_the_ticket_is_away(members: Members, hub: HubMachine) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    hub.joins(ticket_of(alice))
    until(lambda: "hub, keeps every branch" in alice.bough("team"))
    tip = saves(alice, "before she leaves\n")
    until(lambda: hub.keeps("alice") == tip)
    ticket = ticket_of(alice)
    until(
        lambda: any("new members" in one for one in hub.told("hub", "status", "--folder", str(hub.home))["listening"])
    )
    alice.ends()
    bob.bough("join", ticket, *LISTEN)
    until(lambda: sees(bob, "alice") == tip)
    # A repository of something else is still noticed: the hub knows the history of the team.
    stranger = hub.tree.parent / "stranger"
    subprocess.run(["git", "init", "-q", str(stranger)], check=True)
    other = Member("eve", stranger, hub.tree.parent / "home-eve")
    (stranger / "x").write_text("x")
    other.git("add", "x")
    other.git("commit", "-qm", "x")
    typed = other.types("join", ticket)
    other.ends()
    assert typed.code == 1 and "share no commit" in typed.err, typed


def test_a_hub_that_was_removed_gets_nothing_more_from_anyone(members: Members, hub: HubMachine) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    ticket = ticket_of(alice)
    hub.joins(ticket)
    bob.bough("join", ticket, *LISTEN)
    first = saves(bob, "one\n")
    until(lambda: hub.keeps("bob") == first)
    alice.bough("remove", "hub", "--yes")
    until(lambda: hub.teams()[0]["out"] == "alice removed you from the team")
    assert "alice removed the hub from the team" in hub.hub("status").out
    second = saves(bob, "two\n")
    until(lambda: sees(alice, "bob") == second)
    assert hub.keeps("bob") == "" and second not in hub.hub("status").out
    assert not any(one["connected"] for one in bob.told("status")["teammates"] if one["name"] == "hub")
    team = hub.teams()[0]["team"]
    assert hub.hub("leave", team[:8]).code == 0
    assert hub.teams() == [] and not list((hub.home / "hub").iterdir())


def test_a_team_may_have_two_hubs_and_a_hub_two_teams(
    members: Members, hubs: Callable[[str], HubMachine], tmp_path: Path
) -> None:
    one, two = hubs("one"), hubs("two")
    alice = members("alice")
    alice.bough("up")
    ticket = ticket_of(alice)
    assert (one.joins(ticket), two.joins(ticket)) == ("hub", "hub-2")
    tip = saves(alice, "for both\n")
    until(lambda: one.keeps("alice") == tip == two.keeps("alice"))
    dave = Member("dave", tmp_path / "other", tmp_path / "home-dave")
    subprocess.run(["git", "init", "-q", str(dave.tree)], check=True)
    dave.git("config", "user.name", "Dave")
    (dave.tree / "dave.txt").write_text("x")
    dave.git("add", ".")
    dave.git("commit", "-qm", "x")
    dave.bough("up")
    assert one.joins(ticket_of(dave), "--as", "buro") in ("buro", "hub")
    mine = saves(dave, "another team\n")
    until(lambda: one.keeps("dave") == mine and one.keeps("alice") == tip)
    assert sorted(team["member"] for team in one.teams()) == ["buro", "hub"]
    assert {member["name"] for team in one.teams() for member in team["members"]} == {"alice", "hub-2", "dave"}
    dave.ends()


def test_what_was_half_joined_when_the_hub_was_killed_is_gone_and_the_ticket_still_works(
    members: Members, hub: HubMachine
) -> None:
    alice = members("alice")
    alice.bough("up")
    ticket = ticket_of(alice, uses=1)
    with alice.stopped():
        typing = threading.Thread(target=hub.hub, args=("join", ticket, *LISTEN))
        typing.start()
        until(lambda: any((hub.home / "hub").glob("*/bough/store.git/HEAD")) if hub.home.exists() else False)
        hub.is_killed()
        typing.join()
    hub.starts_again()
    until(lambda: not list((hub.home / "hub").iterdir()))
    assert hub.teams() == []
    assert hub.joins(ticket) == "hub"


def test_a_ticket_that_is_refused_leaves_nothing_behind(members: Members, hub: HubMachine) -> None:
    alice = members("alice")
    alice.bough("up")
    made = alice.told("invite", *LISTEN)
    alice.bough("invites", "--revoke", made["id"])
    refused = hub.hub("join", made["ticket"])
    assert refused.code == 1 and "the ticket was revoked" in refused.err
    assert "this is not a ticket" in hub.hub("join", "nonsense").err
    assert "no name" in hub.hub("join", ticket_of(alice), "--as", "no name").err
    assert hub.teams() == [] and not list((hub.home / "hub").iterdir())
    assert hub.hub("leave", "12").err.startswith("Error: no team has an id that begins with 12\n")


def test_a_hub_in_a_terminal_stays_without_a_team_and_ends_with_a_signal(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    environment = os.environ | {"BOUGH_IDLE_SECONDS": "0.1", "BOUGH_HUB": str(folder)}
    words = [sys.executable, "-m", "bough_cli", "hub", "run"]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as running:
        home = Home.of_hub(environment, str(folder))
        until(lambda: folder.exists() and is_running(home))
        again = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert again.returncode == 1 and "a hub is running in" in again.stderr and "bough hub stop" in again.stderr
        running.send_signal(signal.SIGTERM)
        assert running.stderr is not None and "starts" in running.stderr.read()
    assert running.returncode == 0
    wait_until_ended(home)


def test_the_unit_runs_this_bough_on_that_folder(hub: HubMachine) -> None:
    said = hub.hub("unit").out
    assert f'Environment="BOUGH_HOME={hub.home}"' in said and f'ReadWritePaths="{hub.home}"' in said
    assert f'ExecStart="{sys.executable}" "-P" "-m" "bough_daemon" "--stay"' in said
