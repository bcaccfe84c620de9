"""Git's answers are asked for again once the files that they come from have changed, and only then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from bough_daemon.errors import NoCommitYet
from bough_daemon.git import index
from bough_daemon.git.command import GitCommand
from bough_daemon.git.refs import REMOTES, commit_of, commits_below
from bough_daemon.git.remembered import file_signature, may_have_refs
from bough_daemon.git.worktree import Head, Worktree
from bough_daemon.system.environment import UserEnvironment

from tests.daemon.moves_support import Desk
from tests.daemon.support import git


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, here: Desk) -> list[str]:
    """The git commands that were started for the worktree, by name."""
    found: list[str] = []
    run = here.worktree.children.run

    def count(name: str, *rest: object) -> tuple[int, bytes, bytes]:
        found.append(name)
        return run(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(here.worktree.children, "run", count)
    return found


def settled(*paths: Path) -> None:
    """Wait until files are old enough to be told from later versions of themselves."""
    end = time.monotonic() + 30
    while any(path.exists() and file_signature(str(path)) is None for path in paths):
        assert time.monotonic() < end, paths


def test_head_is_asked_for_once_wherever_it_goes(here: Desk, asked: list[str]) -> None:
    git(here.root, "branch", "other")
    first = here.worktree.head()
    assert here.worktree.head() == first and len(asked) == 1
    git(here.root, "switch", "-q", "other")
    assert here.worktree.head() == Head("refs/heads/other", first.commit)
    git(here.root, "commit", "-q", "--allow-empty", "-m", "more")
    assert here.worktree.head().commit == git(here.root, "rev-parse", "HEAD") != first.commit
    git(here.root, "switch", "-q", "--detach", "HEAD")
    assert here.worktree.head().branch is None
    before = len(asked)
    git(here.root, "switch", "-q", "main")
    assert here.worktree.head() == first and len(asked) == before


def test_head_is_right_when_its_branch_is_packed(here: Desk) -> None:
    git(here.root, "pack-refs", "--all")
    settled(here.root / ".git/packed-refs")
    first = here.worktree.head()
    assert here.worktree.head() == first == Head("refs/heads/main", git(here.root, "rev-parse", "HEAD"))
    git(here.root, "commit", "-q", "--allow-empty", "-m", "more")
    git(here.root, "pack-refs", "--all")
    assert here.worktree.head().commit == git(here.root, "rev-parse", "HEAD") != first.commit


def test_a_symlink_for_head_is_followed_wherever_it_leads(here: Desk) -> None:
    git(here.root, "branch", "other")
    head = here.root / ".git/HEAD"
    for branch in ("main", "other", "main"):
        head.unlink()
        head.symlink_to(f"refs/heads/{branch}")
        assert here.worktree.head().branch == f"refs/heads/{branch}"


def test_a_branch_without_a_commit_is_not_remembered_as_one(here: Desk) -> None:
    first = here.worktree.head()
    git(here.root, "switch", "-q", "--orphan", "empty")
    for _ in range(2):
        with pytest.raises(NoCommitYet):
            here.worktree.head()
    git(here.root, "switch", "-q", "main")
    assert here.worktree.head() == first


@pytest.mark.parametrize("where", ["local", "home", "xdg", "included"])
def test_a_setting_is_read_again_when_one_of_its_files_changes(
    here: Desk, asked: list[str], tmp_path: Path, where: str
) -> None:
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    user = UserEnvironment({"HOME": str(home), "XDG_CONFIG_HOME": ""})
    worktree = Worktree(here.worktree.root, here.worktree.git_dir, here.worktree.common_dir, user)
    local = here.root / ".git/config"
    file = {
        "local": local,
        "home": home / ".gitconfig",
        "xdg": home / ".config/git/config",
        "included": tmp_path / "included",
    }[where]
    if where == "included":
        git(here.root, "config", "include.path", str(file))
    for value in ("true", "input", "", "false"):
        settled(local, file)
        worktree.config("core.autocrlf")  # it may be remembered now
        if value:
            git(here.root, "config", "--file", str(file), "core.autocrlf", value)
        elif where != "local":
            file.unlink()
        else:
            git(here.root, "config", "--unset", "core.autocrlf")
        assert worktree.config("core.autocrlf") == worktree.config("CORE.autoCRLF") == value
    assert worktree.config("core.hooksPath") == "", "what Bough sets for its own children is not the user's"
    assert asked == []  # those are another worktree's


def test_settings_are_asked_for_once_while_nothing_changes(here: Desk, asked: list[str]) -> None:
    settled(here.root / ".git/config", Path(os.environ["HOME"], ".gitconfig"))
    names = ("core.autocrlf", "core.bare", "user.name", "core.autocrlf")
    found = [here.worktree.config(name) for name in names]
    assert asked in ([], ["config"])  # the desk may have asked already
    assert found == [git(here.root, "config", "--get", "--default", "", name) for name in names]


def test_the_index_is_read_again_when_it_has_changed(here: Desk, asked: list[str]) -> None:
    path = here.root / ".git/index"
    settled(path)
    for _ in range(3):
        assert index.hidden_paths(here.worktree) == set() and index.unmerged_paths(here.worktree) == []
    assert len(asked) == 1
    git(here.root, "update-index", "--assume-unchanged", "a.txt")
    assert index.hidden_paths(here.worktree) == {"a.txt"}
    settled(path)
    assert index.blob(here.worktree, here.store.objects) == index.blob(here.worktree, here.store.objects)
    git(here.root, "update-index", "--no-assume-unchanged", "a.txt")
    oid = index.blob(here.worktree, here.store.objects)
    assert oid is not None and here.store.objects.blob(oid) == path.read_bytes()


def test_what_a_listing_of_the_index_says_is_not_asked_for_again(here: Desk, asked: list[str]) -> None:
    git(here.root, "update-index", "--assume-unchanged", "a.txt")
    settled(here.root / ".git/index")
    assert b"h 100644 " in index.listed_index(here.worktree)
    assert index.hidden_paths(here.worktree) == {"a.txt"} and asked == ["ls-files"]
    git(here.root, "update-index", "--no-assume-unchanged", "a.txt")
    assert b"h 100644 " not in index.listed_index(here.worktree) and index.hidden_paths(here.worktree) == set()


def test_the_commits_below_a_folder_are_those_that_git_names(here: Desk) -> None:
    mine = GitCommand(here.worktree.common_dir)

    def agree(count: int) -> None:
        by_git = git(here.root, "for-each-ref", "--format=%(objectname)", REMOTES).split()
        assert commits_below(mine, REMOTES) == by_git and len(by_git) == count

    agree(0)
    git(here.root, "pack-refs", "--all")
    assert not may_have_refs(mine.git_dir, REMOTES), "git need not be asked"
    git(here.root, "update-ref", "refs/remotes/origin/main", "HEAD")
    agree(1)
    git(here.root, "pack-refs", "--all")
    agree(1)
    git(here.root, "update-ref", "refs/remotes/ümlaut/x", "HEAD")
    agree(2)


def test_packed_references_that_cannot_be_read_may_have_any(here: Desk) -> None:
    (here.root / ".git/packed-refs").mkdir()
    assert may_have_refs(here.worktree.common_dir, REMOTES)


def test_where_references_are_in_another_form_git_is_asked(here: Desk) -> None:
    assert not may_have_refs(here.worktree.common_dir, REMOTES)
    (here.root / ".git/reftable").mkdir()
    assert may_have_refs(here.worktree.common_dir, REMOTES)


def test_an_index_at_a_commit_is_made_only_if_it_would_differ(here: Desk) -> None:
    first = git(here.root, "rev-parse", "HEAD")
    assert index.moved_to(here.worktree, first, hidden=(), wanted=()) is None
    (here.root / "new").write_text("new")
    git(here.root, "add", "--intent-to-add", "new")
    assert index.moved_to(here.worktree, first, hidden=(), wanted=()) is not None
    git(here.root, "add", "new")
    assert index.moved_to(here.worktree, first, hidden=(), wanted=()) is not None
    git(here.root, "commit", "-qm", "second")
    assert index.moved_to(here.worktree, first, hidden=(), wanted=()) is not None
    assert index.moved_to(here.worktree, git(here.root, "rev-parse", "HEAD"), hidden=(), wanted=()) is None


def test_a_name_that_leaves_the_folder_of_branches_names_no_commit(here: Desk) -> None:
    (here.root / ".git/ORIG_HEAD").write_text(git(here.root, "rev-parse", "HEAD") + "\n")
    assert commit_of(here.worktree, "refs/heads/../../ORIG_HEAD") is None
    assert commit_of(here.worktree, "refs/heads/main") == git(here.root, "rev-parse", "HEAD")
