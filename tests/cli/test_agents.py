"""Agents: working trees with a live branch of their own, made from where their user is."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.daemon.support import git

SAYS = (
    "import os; print(os.getcwd(), os.environ['BOUGH_PORT'], os.environ['BOUGH_DATABASE'], os.environ['BOUGH_AGENT'])"
)


def runs(code: str) -> tuple[str, ...]:
    """Return a command line that runs some Python."""
    return "--", sys.executable, "-c", code


def agents_of(member: Member) -> list[dict[str, Any]]:
    return [one for one in member.told("status")["worktrees"] if one["agent"]]


@pytest.fixture
def ready_to_copy(alice: Member) -> Member:
    """A member with edits that are not committed, and with files that Git ignores and an agent needs."""
    (alice.tree / ".gitignore").write_text(".env\nlib/\n")
    (alice.tree / ".bough.toml").write_text('[worktree]\ncopy = [".env", "lib", "no*such"]\nrun = "touch run.txt"\n')
    alice.git("add", "-A")
    alice.git("commit", "-qm", "settings")
    (alice.tree / ".env").write_text("TOKEN=1\n")
    (alice.tree / ".env").chmod(0o600)
    (alice.tree / "lib").mkdir()
    (alice.tree / "lib/ünïcode name").write_text("x")
    (alice.tree / "lib/link").symlink_to("ünïcode name")
    alice.bough("up")
    (alice.tree / "a.txt").write_text("zero\none\ntwo\nthree\n")
    (alice.tree / "new file.txt").write_text("new\n")
    return alice


def test_an_agent_begins_where_its_user_is(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    typed = alice.types("agent", "fix", "--yes", *runs(SAYS))
    assert typed.code == 0, typed
    where, port, database, name = typed.out.rsplit(maxsplit=3)
    tree = Path(where)
    assert name == "fix" and database.endswith("_fix") and int(port) > 1024
    assert not tree.is_relative_to(alice.tree) and tree.name == "fix"
    for path in ("a.txt", "new file.txt", ".env", "lib/ünïcode name", "lib/link"):
        assert (tree / path).read_bytes() == (alice.tree / path).read_bytes()
    assert (tree / ".env").stat().st_mode & 0o777 == 0o600 and (tree / "lib/link").is_symlink()
    assert (tree / "run.txt").exists()
    assert git(tree, "symbolic-ref", "HEAD") == "refs/heads/fix"
    (one,) = agents_of(alice)
    assert (one["branch"], one["live"], one["code"], one["runs"]) == ("alice+fix", True, 0, False)
    assert "alice+fix" in alice.bough("status") and "ended with 0" in alice.bough("agent")


def test_what_its_user_took_out_meanwhile_does_not_come_back_with_a_merge(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    alice.bough("agent", "fix", *runs("open('fixed.txt', 'w').write('fixed')"))
    (alice.tree / "a.txt").write_text("one\ntwo\nthree\n")  # without the line that both have
    assert alice.told("merge", "alice+fix")["result"] == "clean"
    assert (alice.tree / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert (alice.tree / "fixed.txt").read_text() == "fixed"


def test_a_removed_agent_leaves_all_that_it_saved(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    alice.bough("agent", "fix", *runs("open('fixed.txt', 'w').write('fixed')"))
    tree = Path(agents_of(alice)[0]["repository"])
    removed = alice.bough("agent", "fix", "--remove")
    assert not tree.exists() and "alice+fix" in removed
    assert alice.git("branch", "--list", "fix") == "" and len(alice.git("worktree", "list").splitlines()) == 1
    assert agents_of(alice) == []
    alice.is_killed()
    assert alice.told("merge", "alice+fix")["result"] == "clean"
    assert (alice.tree / "fixed.txt").read_text() == "fixed"


def test_commits_of_an_agent_stay_on_its_branch(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    commit = "import subprocess; subprocess.run(['git', 'commit', '-qam', 'by the agent'], check=True)"
    alice.bough("agent", "fix", *runs(commit))
    assert "its commits are on the Git branch fix" in alice.bough("agent", "fix", "--remove")
    assert alice.git("log", "-1", "--format=%s", "fix") == "by the agent"


def test_its_exit_code_is_passed_on_and_it_can_be_run_again(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    assert alice.types("agent", "fix", *runs("raise SystemExit(7)")).code == 7
    assert agents_of(alice)[0]["code"] == 7
    first = agents_of(alice)[0]["repository"]
    assert alice.types("agent", "fix", *runs("raise SystemExit(0)")).code == 0
    assert [one["repository"] for one in agents_of(alice)] == [first]
    assert alice.bough("agent", "fix") == first


def test_what_a_repository_wants_to_run_is_not_run_unasked(ready_to_copy: Member) -> None:
    alice = ready_to_copy
    typed = alice.types("agent", "fix")
    assert typed.code == 0 and "not run, because nobody could be asked: touch run.txt" in typed.err
    assert not (Path(typed.out.strip()) / "run.txt").exists()
    again = alice.types("agent", "other", "--yes")
    assert (Path(again.out.strip()) / "run.txt").exists()
    third = alice.types("agent", "third")
    assert (Path(third.out.strip()) / "run.txt").exists()  # it was agreed to


@pytest.mark.parametrize("path", ["../secret", "/etc/hosts", ".git/config", "sub/../../secret", "out/secret", ".GIT"])
def test_nothing_from_outside_of_the_working_tree_is_copied(alice: Member, path: str) -> None:
    (alice.tree.parent / "secret").write_text("secret")
    (alice.tree / "out").symlink_to("..")
    (alice.tree / ".bough.toml").write_text(f'[worktree]\ncopy = ["{path}"]\n')
    alice.git("add", "-A")
    alice.git("commit", "-qm", "hostile")
    alice.bough("up")
    typed = alice.types("agent", "fix")
    if typed.code == 0:
        tree = Path(typed.out.strip())
        assert [entry.name for entry in tree.parent.iterdir()] == ["fix"]
        assert not any(entry.name in ("secret", "hosts") for entry in tree.iterdir())
    else:
        assert "is not a path inside the working tree" in typed.err and agents_of(alice) == []


@pytest.mark.parametrize("name", ["Fix", "a b", "-x", "a/b", "..", "x-", "ä", "a" * 41])
def test_a_name_that_no_agent_can_have(alice: Member, name: str) -> None:
    alice.bough("up")
    typed = alice.types("agent", "--", name)
    assert typed.code == 2 and "is not a valid agent name" in typed.err


def test_a_git_branch_of_the_name_is_not_taken_over(alice: Member) -> None:
    alice.bough("up")
    alice.git("branch", "fix")
    typed = alice.types("agent", "fix")
    assert typed.code == 1 and "the branch fix already exists" in typed.err
    assert agents_of(alice) == [] and alice.git("branch", "--list", "fix").strip() == "fix"


def test_an_agent_at_work_is_not_removed(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    typing = threading.Thread(target=alice.types, args=("agent", "fix", *runs(f"open({str(pipe)!r}).read()")))
    typing.start()
    try:
        until(lambda: any(one["runs"] for one in agents_of(alice)))
        typed = alice.types("agent", "fix", "--remove")
        assert typed.code == 1 and "is still running for fix" in typed.err
        assert ": running" in alice.bough("status")
    finally:
        pipe.write_bytes(b"")
        typing.join()
    alice.bough("agent", "fix", "--remove")


def test_what_a_kill_leaves_of_an_agent_can_be_removed_and_made_again(alice: Member) -> None:
    alice.bough("up")
    pid = alice.daemon_pid()
    hook = alice.tree / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nkill -9 {pid}\n")
    hook.chmod(0o755)
    assert alice.types("agent", "fix").code != 0
    hook.unlink()
    until(lambda: not Path(f"/proc/{pid}").exists() or b"Z" in Path(f"/proc/{pid}/stat").read_bytes())
    (one,) = agents_of(alice)
    assert one["agent"] == "fix" and not one["live"]
    alice.bough("agent", "fix", "--remove")
    assert agents_of(alice) == [] and alice.git("branch", "--list", "fix") == ""
    assert Path(alice.bough("agent", "fix")).is_dir()


def test_a_teammate_can_look_into_it(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    bob.bough("join", alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1])
    alice.bough("agent", "fix", *runs("open('fixed.txt', 'w').write('fixed')"))
    until(lambda: any(one["branch"] == "alice+fix" and one["files"] for one in bob.told("status")["teammates"]))
    bob.bough("hop", "alice+fix")
    assert (bob.tree / "fixed.txt").read_text() == "fixed"
    bob.bough("back")
    alice.bough("hop", "alice+fix")
    assert (alice.tree / "fixed.txt").read_text() == "fixed"
    alice.bough("back")
