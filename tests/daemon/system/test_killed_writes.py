"""What is kept beside the store is as before or as after, whenever the daemon is killed: rights, rules, who is out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.home import Home
from bough_daemon.privacy.chosen_paths import AllowedPaths
from bough_daemon.team.identity import load_identity
from bough_daemon.team.roster import Roster
from bough_daemon.team.team_files import Team, now_ms

from tests import ready
from tests.daemon.support import make_repository
from tests.daemon.team.test_roster import someone
from tests.daemon.writes_killed import CHANGES, former_rules


def with_nothing(folder: Path) -> None:
    folder.mkdir()


def with_rules(folder: Path) -> None:
    folder.mkdir()
    make_repository(folder / "repository", {"a": b"1"})


def with_bob(folder: Path) -> None:
    home = Home(str(folder / "home"), str(folder / "home"))
    home.make()
    me = load_identity(home)
    roster = Roster.found(me, "alice", now_ms())
    bob = someone("bob")
    roster.admit(me, "bob", bob.key, bob.certificate, bob.vouch, now_ms())
    for name in ("carol", "bob-2"):
        new = someone(name)
        roster.admit(me, name, new.key, new.certificate, new.vouch, now_ms())
    roster.vouch(someone("carol"), "bob-2", "bob", now_ms())
    place = folder / "home/teams" / roster.team
    place.mkdir(parents=True)
    Team(str(place), roster, str(folder)).save_roster()


def is_allowed(folder: Path) -> bool:
    return "secret.env" in AllowedPaths(str(folder))


def is_covered(folder: Path) -> bool:
    return bool(former_rules(folder))


def is_out(folder: Path) -> bool:
    (place,) = (folder / "home/teams").iterdir()
    roster = Team.load(str(place)).roster
    assert "alice" in roster.members and ("bob" in roster.members) != ("bob" in roster.former)
    return "bob" in roster.former


def is_replaced(folder: Path) -> bool:
    (place,) = (folder / "home/teams").iterdir()
    roster = Team.load(str(place)).roster
    key = someone("bob-2" if "bob" in roster.former else "bob").key
    assert roster.member("bob").key == key and ("bob-2" in roster.members) != ("bob" in roster.former)
    return "bob" in roster.former


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], bool]]] = {
    "allow": (with_nothing, is_allowed),
    "weaken": (with_rules, is_covered),
    "remove": (with_bob, is_out),
    "vouch": (with_bob, is_replaced),
}


def change(what: str, folder: Path, step: int) -> int:
    """Make a change, killed at a step; return how many steps there were, 0 where it was killed."""
    words = [what, str(folder), str(step)]
    code, out, said = ready.run(words, folder, os.environ, program="tests.daemon.writes_killed")
    assert code in (0, -9), said
    return int(out) if code == 0 else 0


@pytest.mark.parametrize("what", CHANGES)
def test_a_kill_leaves_it_as_before_or_as_after_and_the_next_change_works(tmp_path: Path, what: str) -> None:
    make, is_done = KINDS[what]
    whole = tmp_path / "whole"
    make(whole)
    assert not is_done(whole)
    steps = change(what, whole, 0)
    assert steps and is_done(whole)
    seen = set[bool]()
    for step in range(max(1, steps - 3), steps + 1):  # the last ones write; before them it is read
        folder = tmp_path / str(step)
        make(folder)
        assert change(what, folder, step) == 0
        seen.add(is_done(folder))
        if not is_done(folder):
            assert change(what, folder, 0) and is_done(folder)
    assert seen
