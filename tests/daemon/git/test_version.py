"""The version of git is asked of each git once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bough_daemon.errors import GitTooOld
from bough_daemon.git.command import git_version


def put_git(folder: Path, version: str) -> None:
    """Put a git in a folder that says a version, and notes that it was asked."""
    new = folder / "new"
    new.write_text(f"#!/bin/sh\necho asked >>'{folder}/asked'\necho git version {version}\n")
    new.chmod(0o755)
    new.replace(folder / "git")


def test_a_git_is_asked_once_and_one_in_its_place_again(folder: Path) -> None:
    path = f"{folder}:{os.environ['PATH']}"
    put_git(folder, "2.41.0")
    assert [git_version(path), git_version(path)] == [(2, 41), (2, 41)]
    assert (folder / "asked").read_text() == "asked\n"
    put_git(folder, "2.20.1")
    with pytest.raises(GitTooOld, match=r"2\.20\.1 is too old"):
        git_version(path)


def test_a_git_that_starts_another_one_is_asked_again_while_that_is_too_old(folder: Path) -> None:
    path, behind = f"{folder}:{os.environ['PATH']}", folder / "behind"
    shim = folder / "git"
    shim.write_text(f"#!/bin/sh\ncat '{behind}'\n")
    shim.chmod(0o755)
    for version in ("git version 2.20.1\n", ""):
        behind.write_text(version)
        with pytest.raises(GitTooOld):
            git_version(path)
    behind.write_text("git version 2.41.0\n")
    assert git_version(path) == (2, 41)
