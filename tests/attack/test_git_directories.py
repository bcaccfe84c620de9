"""Nothing is placed that makes plain git in that folder run a command: a Git directory that a teammate sent."""

from __future__ import annotations

import subprocess

import pytest
from bough_cli.failure import hint_of
from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.merge import merge
from bough_daemon.errors import NotPossibleNow

from tests.daemon.moves_support import Desk, everything, git, merge_both
from tests.daemon.support import write_files

SETTINGS = b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = ..\n\tfsmonitor = touch ran; true\n"
REPOSITORY: dict[str, bytes | None] = {
    "docs/x/HEAD": b"ref: refs/heads/main\n",
    "docs/x/objects/keep": b"",
    "docs/x/refs/keep": b"",
    "docs/x/config": SETTINGS,
}


def ran(here: Desk) -> bool:
    """Type `git status` where the folder is, if it is here, and return whether that ran what its settings say."""
    place = here.root / "docs/x"
    if place.is_dir():
        subprocess.run(["git", "status"], cwd=place, capture_output=True, check=False)
    return bool(list(here.root.rglob("ran")))


def test_neither_a_hop_nor_a_merge_places_one(here: Desk) -> None:
    here.teammate_at("alice", REPOSITORY)
    before = everything(here.root)
    commands = [bring(here.live, here.terminal, "alice", merge_both) for bring in (hop, merge)]
    for command in commands:
        with pytest.raises(NotPossibleNow, match="Git directory in docs/x") as refused:
            here.do(command)
        assert "safe.bareRepository" in hint_of(refused.value)
    assert everything(here.root) == before and not ran(here)
    write_files(here.root, {path: data for path, data in REPOSITORY.items() if data is not None})
    assert ran(here), "what this is about"


def test_where_git_takes_no_such_folder_for_a_repository_it_is_placed(here: Desk) -> None:
    git(here.root, "config", "safe.bareRepository", "explicit")
    here.teammate_at("alice", REPOSITORY)
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert (here.root / "docs/x/config").exists()
    here.do(back(here.live, here.terminal))


def test_settings_of_one_that_is_here_are_not_changed_unasked(here: Desk) -> None:
    harmless = {**REPOSITORY, "docs/x/config": b"[core]\n\tbare = true\n"}
    here.teammate_at("alice", harmless)
    git(here.root, "config", "safe.bareRepository", "explicit")
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    git(here.root, "config", "--unset", "safe.bareRepository")
    here.teammate_at("alice", {"docs/x/objects/more": b"o", "a.txt": b"alice\n"})
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert (here.root / "docs/x/objects/more").exists()
    here.teammate_at("alice", {"docs/x/hooks/post-checkout": b"#!/bin/sh\ntouch ran\n"})
    with pytest.raises(NotPossibleNow, match="Git directory in docs/x"):
        here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert not ran(here)


def test_files_of_such_names_elsewhere_are_only_files(here: Desk) -> None:
    here.teammate_at(
        "alice", {"HEAD": b"x\n", "d/config": b"c\n", "hooks/x": b"h\n", "e/HEAD": b"not a ref\n", "e/refs/x": b""}
    )
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert (here.root / "e/HEAD").exists()
