"""A change of what is kept beside the store, in a process of its own: WHAT FOLDER STEP, killed at that step.

A step is whatever Python reports to an audit hook: files opened, renamed and removed. Where it lives to the end it
prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bough_daemon.git.objects import FILE, Objects, TreeEntry
from bough_daemon.git.worktree import Worktree
from bough_daemon.home import Home
from bough_daemon.privacy.chosen_paths import AllowedPaths
from bough_daemon.privacy.former_rules import FormerRules
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.team_files import Team, now_ms

COUNTED = {"open", "os.rename", "os.remove", "os.mkdir"}


def allow(folder: Path) -> None:
    AllowedPaths(str(folder)).set("secret.env", chosen=True)


def former_rules(folder: Path) -> FormerRules:
    objects = Objects(str(folder / "repository/.git/objects"))
    return FormerRules(
        Worktree.find(str(folder / "repository")), objects, str(folder / "rules/former.json"), str(folder)
    )


def weaken(folder: Path) -> None:
    rules = former_rules(folder)
    objects = Objects(str(folder / "repository/.git/objects"))
    before = objects.write_tree({".gitignore": TreeEntry(FILE, objects.write_blob(b"private/\n"))})
    after = objects.write_tree({".gitignore": TreeEntry(FILE, objects.write_blob(b"\n"))})
    rules.note(before, after, "hop")


def team_of(folder: Path) -> tuple[Team, Identity]:
    home = Home(str(folder / "home"), str(folder / "home"))
    (place,) = (folder / "home/teams").iterdir()
    return Team.load(str(place)), load_identity(home)


def remove(folder: Path) -> None:
    team, me = team_of(folder)
    team.roster.remove(me, "bob", now_ms())
    team.save_roster()


def vouch(folder: Path) -> None:
    team, me = team_of(folder)
    team.roster.vouch(me, "bob-2", "bob", now_ms())
    team.save_roster()


CHANGES: dict[str, Callable[[Path], None]] = {"allow": allow, "weaken": weaken, "remove": remove, "vouch": vouch}


def main() -> None:
    """Make the change that the words name."""
    what, folder, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
    steps, counts = 0, True

    def hook(event: str, _: object) -> None:
        nonlocal steps
        if counts and event in COUNTED:
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    CHANGES[what](Path(folder))
    counts = False
    print(steps)


if __name__ == "__main__":
    main()
