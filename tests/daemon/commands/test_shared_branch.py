"""Which branch of which remote work lands on."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_cli.failure import hint_of
from bough_daemon.commands.land import Landed, land
from bough_daemon.commands.shared_branch import Target
from bough_daemon.errors import BadUsage, NotPossibleNow

from tests.daemon.moves_support import Desk, git, merge_both
from tests.daemon.support import write_files


def add_remote(here: Desk, branches: dict[str, str], head: str = "", name: str = "origin") -> Path:
    """Make a bare remote with these branches, each at a commit of the desk's, and its HEAD on one of them."""
    folder = here.root.parent / f"{name}.git"
    git(here.root, "init", "-q", "--bare", "-b", head or "nowhere", str(folder))
    git(here.root, "remote", "add", name, str(folder))
    for branch, commit in branches.items():
        git(here.root, "push", "-q", name, f"{commit}:refs/heads/{branch}")
    return folder


def branches_of(remote: Path) -> list[str]:
    return git(remote, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def found(here: Desk) -> tuple[str, str | None, str]:
    """Return what work lands on: the local branch, the remote, the branch there."""
    target = here.do(Target.of(here.live, here.terminal))
    return target.ref.removeprefix("refs/heads/"), target.remote, target.theirs.removeprefix("refs/heads/")


def do_land(here: Desk) -> Landed:
    write_files(here.root, {"a.txt": b"mine\n"})
    return here.do(land(here.live, here.terminal, "mine", merge_both))


def track(here: Desk, local: str, remote: str, merge: str) -> None:
    git(here.root, "config", f"branch.{local}.remote", remote)
    git(here.root, "config", f"branch.{local}.merge", merge)


def test_the_remotes_are_those_that_git_lists(here: Desk) -> None:
    for key in ("remote.a.b.url", "remote.a push only.pushurl", "remote.pushDefault", "branch.main.remote"):
        git(here.root, "config", key, "elsewhere")
    with (here.root / ".git/config").open("a") as config:
        config.write('[remote "/slash"]\n\turl = x\n[remote "ÜBER"]\n\turl = x\n[remote]\n\turl = x\n')
    assert here.worktree.remotes() == set(git(here.root, "remote").splitlines())


def test_a_branch_lands_on_its_upstream_whatever_that_is_called(here: Desk) -> None:
    remote = add_remote(here, {"master": "main"}, "master")
    git(here.root, "fetch", "-q", "origin")
    git(here.root, "branch", "-q", "--set-upstream-to=origin/master")
    landed = do_land(here)
    assert branches_of(remote) == ["master"]
    assert (landed.branch, landed.remote) == ("master", "origin")
    assert git(remote, "rev-parse", "master") == landed.commit == git(here.root, "rev-parse", "main")
    assert git(here.root, "rev-parse", "origin/master") == landed.commit
    assert git(here.root, "status", "--porcelain") == ""
    with pytest.raises(NotPossibleNow, match="nothing to land: master has all of it"):
        here.do(land(here.live, here.terminal, "again", merge_both))


def test_an_upstream_in_a_folder_of_branches_of_another_remote(here: Desk) -> None:
    remote = add_remote(here, {"team/trunk": "main", "main": "main"}, "main", name="work")
    add_remote(here, {"main": "main"}, "main")
    track(here, "main", "work", "refs/heads/team/trunk")
    git(here.root, "config", "remote.pushDefault", "origin")
    git(here.root, "config", "branch.main.pushRemote", "origin")
    before = git(remote, "rev-parse", "main")
    landed = do_land(here)
    assert git(remote, "rev-parse", "team/trunk") == landed.commit
    assert git(remote, "rev-parse", "main") == before == git(here.root.parent / "origin.git", "rev-parse", "main")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ('branch = "trunk"', ("mine", "origin", "trunk")),  # the local branch that tracks it
        ('branch = "main"', ("main", "origin", "master")),  # a local branch stands for its upstream
        ('branch = "main"\nremote = "fork"', ("main", "fork", "main")),  # its upstream is elsewhere
        ('branch = "new"', ("new", "origin", "new")),
        ('remote = "fork"', ("main", "fork", "main")),
    ],
)
def test_settings_name_a_branch_and_its_upstream_counts(
    here: Desk, settings: str, wanted: tuple[str, str, str]
) -> None:
    add_remote(here, {"master": "main", "trunk": "main"}, "master")
    add_remote(here, {"main": "main"}, "main", name="fork")
    git(here.root, "fetch", "-q", "--all")
    git(here.root, "branch", "-q", "--track", "mine", "origin/trunk")
    track(here, "main", "origin", "refs/heads/master")
    write_files(here.root, {".bough.toml": f"[land]\n{settings}\n".encode()})
    assert found(here) == wanted


def test_without_a_main_the_default_branch_of_the_remote_is_the_shared_one(here: Desk) -> None:
    remote = add_remote(here, {"develop": "main", "other": "main"}, "develop")
    git(here.root, "branch", "-q", "-m", "main", "topic")
    assert found(here) == ("develop", "origin", "develop")
    git(here.root, "fetch", "-q", "origin")
    git(here.root, "remote", "set-head", "origin", "--auto")
    asked = len(here.terminal.ran)
    assert found(here) == ("develop", "origin", "develop")
    assert len(here.terminal.ran) == asked  # known here by now
    git(here.root, "branch", "-q", "--track", "shared", "origin/develop")
    assert found(here) == ("shared", "origin", "develop")
    landed = do_land(here)
    assert git(remote, "rev-parse", "develop") == landed.commit == git(here.root, "rev-parse", "shared")
    assert branches_of(remote) == ["develop", "other"]


def test_a_main_without_an_upstream_stands_for_the_default_branch_where_the_remote_has_no_main(here: Desk) -> None:
    remote = add_remote(here, {"master": "main"})  # its HEAD is on a branch that does not exist
    git(here.root, "update-ref", "-d", "refs/remotes/origin/master")
    assert found(here) == ("main", "origin", "master")
    landed = do_land(here)
    assert (branches_of(remote), landed.branch) == (["master"], "master")
    assert git(here.root, "rev-parse", "main") == landed.commit


def test_an_upstream_that_is_a_local_branch_is_no_remote(here: Desk) -> None:
    add_remote(here, {"main": "main"}, "main")
    git(here.root, "branch", "-q", "base")
    track(here, "main", ".", "refs/heads/base")
    assert found(here) == ("main", "origin", "main")


def test_several_branches_and_none_of_them_the_default_is_an_error(here: Desk) -> None:
    add_remote(here, {"one": "main", "two": "main"})
    with pytest.raises(NotPossibleNow, match="no branch main and no default branch") as caught:
        found(here)
    assert ".bough.toml" in hint_of(caught.value)


def test_an_empty_remote_gets_the_branch_that_there_is(here: Desk) -> None:
    remote = add_remote(here, {})
    git(here.root, "branch", "-q", "-m", "main", "trunk")
    do_land(here)
    assert branches_of(remote) == ["trunk"]


def test_without_a_remote_and_a_main_the_only_branch_is_the_shared_one(here: Desk) -> None:
    git(here.root, "branch", "-q", "-m", "main", "trunk")
    assert found(here) == ("trunk", None, "trunk")
    git(here.root, "branch", "-q", "topic")
    assert found(here) == ("main", None, "main")  # which is not there, and landing says so
    git(here.root, "config", "init.defaultBranch", "topic")
    assert found(here) == ("topic", None, "topic")
    git(here.root, "branch", "-q", "master")
    assert found(here) == ("topic", None, "topic")


def test_names_in_the_settings_that_are_none_are_refused(here: Desk) -> None:
    for text in ('branch = "-x"', 'branch = "a..b"', 'remote = "none"', "branch = 3"):
        write_files(here.root, {".bough.toml": f"[land]\n{text}\n".encode()})
        with pytest.raises(BadUsage):
            found(here)
