"""What Git is in the middle of, told from real commands that were left half done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.errors import NoCommitYet, NotPossibleNow
from bough_daemon.git.refs import check_idle, operation
from bough_daemon.git.worktree import Head, Worktree

from tests.daemon.support import git, make_repository, write_files


@pytest.fixture
def here(folder: Path) -> Path:
    """A repository whose main and topic change the same line in each of three commits."""
    root = make_repository(folder / "r", {"a.txt": b"0\n"})
    git(root, "branch", "-M", "main")
    git(root, "switch", "-q", "-c", "topic")
    for number in (b"1", b"2", b"3"):
        _commit(root, number, b"topic " + number + b"\n")
    git(root, "switch", "-q", "main")
    _commit(root, b"main", b"main\n")
    return root


def _commit(root: Path, message: bytes, content: bytes) -> None:
    write_files(root, {"a.txt": content})
    git(root, "commit", "-q", "-a", "-m", message.decode())


def _try(root: Path, *words: str, stdin: bytes = b"") -> None:
    subprocess.run(["git", *words], cwd=root, input=stdin, capture_output=True, check=False)


def _resolve(root: Path) -> None:
    write_files(root, {"a.txt": b"resolved\n"})
    git(root, "add", "a.txt")
    git(root, "-c", "core.editor=true", "commit", "-q", "-m", "resolved")


def _picks_left(root: Path) -> None:
    _try(root, "cherry-pick", "main..topic")
    _resolve(root)


def _reverts_left(root: Path) -> None:
    _commit(root, b"more", b"more\n")
    _commit(root, b"and more", b"and more\n")
    _try(root, "revert", "--no-edit", "HEAD~3..HEAD~1")
    _resolve(root)


def _apply_mails(root: Path) -> None:
    _try(root, "am", stdin=git(root, "format-patch", "--stdout", "main..topic").encode())


LEFT: dict[str, tuple[str, Callable[[Path], None]]] = {
    "merge": ("merge", lambda root: _try(root, "merge", "topic")),
    "rebase": ("rebase", lambda root: _try(root, "rebase", "topic")),
    "rebase by patches": ("rebase", lambda root: _try(root, "rebase", "--apply", "topic")),
    "one pick": ("cherry-pick", lambda root: _try(root, "cherry-pick", "topic")),
    "picks are left": ("cherry-pick", _picks_left),
    "one revert": ("revert", lambda root: _try(root, "revert", "--no-edit", "HEAD~1")),
    "reverts are left": ("revert", _reverts_left),
    "mails": ("am", _apply_mails),
    "bisect": ("bisect", lambda root: _try(root, "bisect", "start", "topic", "main")),
}


@pytest.mark.parametrize("case", LEFT)
@pytest.mark.parametrize("linked", [False, True], ids=["", "linked"])
def test_what_git_is_in_the_middle_of_is_known_with_the_way_out(here: Path, case: str, linked: bool) -> None:
    command, leave = LEFT[case]
    if case == "one revert":
        _commit(here, b"again", b"again\n")
    root = here
    if linked:
        root = here.parent / "linked"
        git(here, "switch", "-q", "--detach")
        git(here, "worktree", "add", "-q", str(root), "main")
    assert operation(Worktree.find(str(root))) is None
    leave(root)
    worktree = Worktree.find(str(root))
    assert operation(worktree) == command
    if linked:
        assert operation(Worktree.find(str(here))) is None
    with pytest.raises(NotPossibleNow) as refused:
        check_idle(worktree)
    assert f"`git {command}" in refused.value.facts["hint"]
    way_out = ["bisect", "reset"] if command == "bisect" else [command, "--abort"]
    git(root, *way_out)
    check_idle(worktree)


def test_a_sequencer_without_commands_is_nothing_under_way(here: Path) -> None:
    os.mkdir(here / ".git/sequencer")
    assert operation(Worktree.find(str(here))) is None


@pytest.mark.parametrize("beside", [[], ["refs/tags/HEAD"], ["refs/heads/HEAD", "refs/tags/main"]])
def test_where_head_is_is_read_also_where_something_else_is_called_so(here: Path, beside: list[str]) -> None:
    worktree, main = Worktree.find(str(here)), git(here, "rev-parse", "refs/heads/main")
    for name in beside:
        git(here, "update-ref", name, "refs/heads/topic")
    assert worktree.head() == Head("refs/heads/main", main)
    git(here, "switch", "-q", "--detach")
    assert worktree.head() == Head(None, main)
    git(here, "switch", "-q", "--orphan", "empty-ü")
    with pytest.raises(NoCommitYet):
        worktree.head()
