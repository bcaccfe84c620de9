"""What the user's hooks see while a landing is under way, and that nothing of it is left when it comes to nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.progress import ConflictingEdits, LeftOutOfCommit
from bough_daemon.commands.land import Landed, land
from bough_daemon.commands.undo import undo
from bough_daemon.errors import HookRefused, NotPossibleNow, PushRefused, WouldRun
from bough_daemon.transaction.transaction import journal_of, recover

from tests.daemon.history.test_journal import copy_of, moments, run
from tests.daemon.moves_support import Desk, check_whole, desk, everything, files_of, git, merge_both
from tests.daemon.support import write_files

COMMIT_HOOKS = ["pre-commit", "prepare-commit-msg", "commit-msg"]
SEEN = """
{ echo "== $(basename "$0") $*"; pwd; echo "$GIT_INDEX_FILE"
  git rev-parse HEAD; git symbolic-ref -q HEAD
  git diff --cached --name-status; git diff --name-only; git ls-files --others --exclude-standard
} >> "$SEEN"
"""


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with work of its own, on a main that a colleague has moved on at the remote."""
    monkeypatch.setenv("SEEN", str(folder.parent / "seen"))
    with desk(folder) as opened:
        add_remote(opened)
        write_files(folder, {"d/b.txt": b"mine\n", "ignored.o": b"o\n"})
        yield opened


def add_remote(here: Desk) -> None:
    git(here.root, "clone", "-q", "--bare", ".", "../remote.git")
    git(here.root, "remote", "add", "origin", "../remote.git")
    git(here.root, "fetch", "-q", "origin")
    git(here.root, "branch", "-q", "--set-upstream-to=origin/main")
    other = here.root.parent / "colleague"
    git(here.root.parent, "clone", "-q", "remote.git", "colleague")
    write_files(other, {"a.txt": b"one\ntwo\nthree\nfour\nTHEIRS\n", "theirs.txt": b"t\n"})
    git(other, "rm", "-q", "d/e/c.txt")
    git(other, "add", "--all")
    git(other, "-c", "user.name=Col", "-c", "user.email=col@example.org", "commit", "-qm", "theirs")
    git(other, "push", "-q")


def remote_main(here: Desk) -> str:
    return git(here.root.parent / "remote.git", "rev-parse", "main")


def hook(here: Desk, name: str, script: str) -> None:
    path = here.root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def do_land(here: Desk, **options: Any) -> Landed:
    return here.do(land(here.live, here.terminal, "mine", merge_both, **options))


def state(here: Desk) -> dict[str, object]:
    return {**everything(here.root), "branches": git(here.root, "for-each-ref", "refs/heads")}


def changes_of(here: Desk, commit: str) -> list[str]:
    return git(here.root, "diff", "--name-status", f"{commit}^", commit).splitlines()


ADDING = {
    "add -u": "git add -u",
    "add -A": "git add -A",
    "add .": "git add .",
    "commit's own": "git diff --cached --name-only --diff-filter=ACM -z | xargs -0 git add --",
    "tree's own": "git ls-files -z | xargs -0 git add --",
    "again": "git update-index --again",
}


@pytest.mark.parametrize(
    ("script", "place"),
    [*((script, "main") for script in ADDING), *(("add -u", place) for place in ("ahead", "feature", "detached"))],
)
def test_a_hook_that_adds_files_reverts_nothing_of_anybody(here: Desk, script: str, place: str) -> None:
    move_to(here, place)
    hook(here, "pre-commit", ADDING[script] + "\n")
    parent = remote_main(here)
    landed = do_land(here)
    mine = ["M\td/b.txt", "A\town.txt"] if place in ("ahead", "feature") else ["M\td/b.txt"]
    assert changes_of(here, landed.commit) == mine
    assert git(here.root, "rev-parse", f"{landed.commit}^") == parent
    if place in ("main", "ahead"):
        assert git(here.root, "status", "--porcelain") == ""
    check_whole(here.root)


def move_to(here: Desk, place: str) -> None:
    """Stand on main, on a main with a commit of its own, on a branch with one, or on no branch."""
    if place == "feature":
        git(here.root, "switch", "-qc", "feature")
    if place in ("ahead", "feature"):
        write_files(here.root, {"own.txt": b"own\n"})
        git(here.root, "add", "own.txt")
        git(here.root, "commit", "-qm", "own", "--", "own.txt")
    if place == "detached":
        git(here.root, "switch", "-q", "--detach")


def test_hooks_see_what_those_of_git_commit_would(here: Desk) -> None:
    for name in [*COMMIT_HOOKS, "post-commit", "pre-push"]:
        hook(here, name, SEEN)
    write_files(here.root, {".env": b"SECRET\n"})
    git(here.root, "add", "d/b.txt")
    parent = remote_main(here)
    landed = do_land(here)
    seen = Path(os.environ["SEEN"]).read_text().split("== ")[1:]
    root = str(here.root)
    commit = [root, ".git/index", parent, "refs/heads/main", "M\td/b.txt", ".env"]
    after = [root, ".git/index", landed.commit, "refs/heads/main", ".env"]
    assert seen[0].splitlines() == ["pre-commit ", *commit]
    assert seen[1].splitlines() == ["prepare-commit-msg .git/COMMIT_EDITMSG message", *commit]
    assert seen[2].splitlines() == ["commit-msg .git/COMMIT_EDITMSG", *commit]
    assert seen[3].splitlines() == ["pre-push origin ../remote.git", root, "", *after[2:]]
    assert seen[4].splitlines() == ["post-commit ", *after]
    assert (here.root / ".git/COMMIT_EDITMSG").read_text().startswith("mine\n\nBough-Snapshot: ")


@pytest.mark.parametrize("place", ["feature", "detached"])
def test_hooks_see_the_branch_that_one_is_on(here: Desk, place: str) -> None:
    move_to(here, place)
    for name in ("pre-commit", "post-commit"):
        hook(here, name, SEEN)
    before, parent = everything(here.root), remote_main(here)
    landed = do_land(here)
    seen = [one.splitlines() for one in Path(os.environ["SEEN"]).read_text().split("== ")[1:]]
    branch = ["refs/heads/feature"] if place == "feature" else []
    own = ["A\town.txt"] if place == "feature" else []
    assert [one[3:] for one in seen] == [[parent, *branch, "M\td/b.txt", *own], [landed.commit, *branch]]
    assert everything(here.root) == before
    assert git(here.root, "rev-parse", "main") == landed.commit


def test_where_files_and_head_are_right_already_only_the_index_is_made(here: Desk) -> None:
    git(here.root, "stash", "-q")
    git(here.root, "pull", "-q")
    git(here.root, "stash", "pop", "-q")
    hook(here, "pre-commit", SEEN + "exit 1\n")
    before, number = everything(here.root), len(journal_of(here.live).operations())
    with pytest.raises(HookRefused):
        do_land(here)
    assert everything(here.root) == before
    assert len(journal_of(here.live).operations()) == number
    seen = Path(os.environ["SEEN"]).read_text().splitlines()
    assert seen[3:] == [git(here.root, "rev-parse", "HEAD"), "refs/heads/main", "M\td/b.txt"]


@pytest.mark.parametrize(
    ("name", "place"),
    [*((name, "main") for name in COMMIT_HOOKS), *(("pre-push", place) for place in ("ahead", "feature", "detached"))],
)
def test_a_refusal_leaves_everything_as_it_was(here: Desk, name: str, place: str) -> None:
    move_to(here, place)
    hook(here, name, "exec >/dev/null; git add -A; git reset -q; echo no luck >&2; exit 1\n")
    (here.root / "d/b.txt").chmod(0o600)
    before, there = state(here), remote_main(here)
    with pytest.raises(HookRefused, match=f"the {name} hook refused: no luck"):
        do_land(here)
    assert (state(here), remote_main(here)) == (before, there)
    assert journal_of(here.live).newest() is None
    check_whole(here.root)


def test_a_refused_push_leaves_everything_as_it_was(here: Desk) -> None:
    hook(here, "pre-push", "cat >/dev/null\n")
    guard = here.root.parent / "remote.git/hooks/pre-receive"
    guard.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    guard.chmod(0o755)
    before = state(here)
    with pytest.raises(PushRefused, match="GH006") as caught:
        do_land(here)
    assert state(here) == before
    command = caught.value.facts["hint"].split("`")[1].replace("NAME", "topic").split()
    guard.unlink()
    git(here.root, *command[1:])
    pushed = git(here.root.parent / "remote.git", "rev-parse", "topic")
    assert changes_of(here, pushed) == ["M\td/b.txt"]


def test_what_hooks_change_lands_and_what_they_change_before_they_refuse_stays(here: Desk) -> None:
    formatter = "for f in d/b.txt a.txt; do tr a-z A-Z < $f > t.o && cat t.o > $f; done; rm t.o; git add -u\n"
    hook(here, "pre-commit", formatter + "exit 1\n")
    git_before = {name: everything(here.root)[name] for name in ("index", "HEAD", "commit")}
    with pytest.raises(HookRefused):
        do_land(here)
    assert {name: everything(here.root)[name] for name in git_before} == git_before
    assert (here.root / "d/b.txt").read_bytes() == b"MINE\n"
    assert not (here.root / "theirs.txt").exists()
    hook(here, "pre-commit", formatter)
    landed = do_land(here)
    assert git(here.root, "show", f"{landed.commit}:d/b.txt") == "MINE"
    assert git(here.root, "show", f"{landed.commit}:a.txt") == "ONE\nTWO\nTHREE\nFOUR\nTHEIRS"
    assert git(here.root, "status", "--porcelain") == ""


def test_edits_that_fit_only_what_was_placed_are_named_and_kept(here: Desk) -> None:
    hook(here, "pre-commit", "echo edited > theirs.txt; echo LATE >> d/b.txt; exit 1\n")
    with pytest.raises(HookRefused):
        do_land(here)
    assert not (here.root / "theirs.txt").exists()
    assert (here.root / "d/b.txt").read_bytes() == b"mine\nLATE\n"
    (told,) = [told for told in here.terminal.told if isinstance(told, ConflictingEdits)]
    assert told.edits.command is not None and "theirs.txt" in told.edits.command
    edits = told.edits.command.split("--from ")[1].split(" ")[0]
    assert git(Path(here.store.path), "show", f"{edits}:theirs.txt") == "edited"


def test_what_is_saved_while_hooks_run_stays_and_does_not_land(here: Desk) -> None:
    hook(here, "pre-commit", "echo new > saved.txt; echo more >> d/b.txt\n")
    landed = do_land(here)
    assert changes_of(here, landed.commit) == ["M\td/b.txt"]
    assert git(here.root, "show", f"{landed.commit}:d/b.txt") == "mine"
    assert (here.root / "d/b.txt").read_bytes() == b"mine\nmore\n"
    assert git(here.root, "status", "--porcelain").split() == ["M", "d/b.txt", "??", "saved.txt"]
    here.do(undo(here.live))
    assert (here.root / "saved.txt").read_bytes() == b"new\n"
    assert git(here.root, "rev-parse", "main") == git(here.root, "merge-base", "main", landed.commit)


def test_what_is_withheld_never_lands_through_a_hook(here: Desk) -> None:
    write_files(here.root, {".env": b"SECRET\n"})
    hook(here, "pre-commit", "echo k > deploy.pem; git init -q inner; git -C inner commit -q --allow-empty -m i; "
         "git -c advice.addEmbeddedRepo=false add -A\n")  # fmt: skip
    landed = do_land(here)
    assert changes_of(here, landed.commit) == ["M\td/b.txt"]
    (left_out,) = [told for told in here.terminal.told if isinstance(told, LeftOutOfCommit)]
    assert [one.path for one in left_out.paths] == [".env", "deploy.pem", "inner"]
    assert (here.root / ".env").read_bytes() == b"SECRET\n"
    assert ".env" not in git(here.root, "ls-files")


def test_untracked_files_that_a_hook_adds_are_asked_about(here: Desk) -> None:
    hook(here, "pre-commit", "echo new > saved.txt; git add -A\n")
    here.terminal.answer = False
    before, there = state(here), remote_main(here)
    with pytest.raises(NotPossibleNow, match="untracked"):
        do_land(here)
    assert remote_main(here) == there
    (here.root / "saved.txt").unlink()
    assert state(here) == before


@pytest.mark.parametrize("place", ["main", "ahead", "feature", "detached"])
def test_undo_takes_back_a_landing_with_hooks(here: Desk, place: str) -> None:
    move_to(here, place)
    git(here.root, "add", "d/b.txt")
    for name in [*COMMIT_HOOKS, "post-commit", "pre-push"]:
        hook(here, name, "cat > /dev/null; git status > /dev/null\n")
    before = state(here)
    landed = do_land(here)
    assert landed.kept == ("landed/main" if place == "ahead" else None)
    here.do(undo(here.live))
    assert state(here) == before
    assert do_land(here).commit == landed.commit == remote_main(here)
    check_whole(here.root)


def test_without_verifying_only_the_hooks_that_git_would_run_do(here: Desk) -> None:
    for name in [*COMMIT_HOOKS, "post-commit", "pre-push"]:
        hook(here, name, SEEN + ("exit 1\n" if name in ("pre-commit", "commit-msg", "pre-push") else ""))
    do_land(here, verify=False)
    seen = [one.split(" ")[0] for one in Path(os.environ["SEEN"]).read_text().split("== ")[1:]]
    assert seen == ["prepare-commit-msg", "post-commit"]


def test_a_message_that_hooks_made_lands_with_its_trailers(here: Desk) -> None:
    hook(here, "prepare-commit-msg", 'echo "ABC-1: all else is gone" > "$1"; echo >> "$1"; echo "  " >> "$1"\n')
    landed = do_land(here)
    subject, body = git(here.root, "log", "-1", "--format=%s%n%b", landed.commit).split("\n", 1)
    assert (subject, body.split()[0]) == ("ABC-1: all else is gone", "Bough-Snapshot:")
    hook(here, "prepare-commit-msg", ': > "$1"\n')
    write_files(here.root, {"d/b.txt": b"again\n"})
    with pytest.raises(HookRefused, match="empty"):
        do_land(here)


def test_hooks_that_came_with_other_peoples_commits_run_only_after_asking(here: Desk) -> None:
    push_hook(here, "exit 0\n")
    git(here.root, "reset", "-q", "--hard")
    git(here.root, "pull", "-q")
    git(here.root, "config", "core.hooksPath", "hooks")
    push_hook(here, f"touch '{here.root.parent}/ran'\n")
    write_files(here.root, {"d/b.txt": b"mine\n"})
    with pytest.raises(WouldRun, match=r"others changed: hooks/pre-commit"):
        do_land(here)
    assert not (here.root.parent / "ran").exists()
    do_land(here, yes=True)
    assert (here.root.parent / "ran").exists()


def push_hook(here: Desk, script: str) -> None:
    other = here.root.parent / "colleague"
    write_files(other, {"hooks/pre-commit": b"#!/bin/sh\n" + script.encode()})
    (other / "hooks/pre-commit").chmod(0o755)
    git(other, "add", "--all")
    git(other, "-c", "user.name=Col", "-c", "user.email=col@example.org", "commit", "-qm", "hooks")
    git(other, "push", "-q")


def test_a_commit_that_a_hook_makes_is_not_lost(here: Desk) -> None:
    hook(here, "pre-commit", "[ -z \"$AGAIN\" ] || exit 0; AGAIN=1 git commit -q --allow-empty -m 'by the hook'\n")
    there = remote_main(here)
    with pytest.raises(NotPossibleNow, match="HEAD moved"):
        do_land(here)
    assert remote_main(here) == there
    assert git(here.root, "log", "-1", "--format=%s") == "by the hook"
    assert (here.root / "d/b.txt").read_bytes() == b"mine\n"
    assert journal_of(here.live).interrupted() is None


@pytest.mark.parametrize("place", ["main", "ahead", "feature"])
def test_a_kill_at_any_moment_of_a_landing_with_hooks_loses_nothing(here: Desk, tmp_path: Path, place: str) -> None:
    move_to(here, place)
    hook(here, "pre-commit", "git add -u\n")
    hook(here, "post-commit", "git add -u\n")
    here.close()
    steps = int(land_killed(here, tmp_path / "whole", 0).stdout)
    interrupted = []
    for step in moments(steps)[1::2]:
        folder = tmp_path / "killed"
        killed = land_killed(here, folder, step)
        assert killed.returncode in (-9, 0), killed.stderr  # how many steps git's hooks make it takes varies a little
        interrupted.append(is_recoverable(Desk(folder / "repo"), everything(here.root), step))
    assert any(interrupted)


def land_killed(here: Desk, folder: Path, step: int) -> subprocess.CompletedProcess[str]:
    """Land in a copy, killed at a step."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy_of(here.root.parent / "remote.git", folder / "remote.git")
    return run(copy_of(here.root, folder / "repo"), "land", step, "-")


def is_recoverable(here: Desk, before: dict[str, object], step: int) -> bool:
    """Check that all can be taken back; return whether the landing was cut short."""
    try:
        left = recover(here.live)
        if left.interrupted is not None:
            with pytest.raises(NotPossibleNow, match="cut short"):
                do_land(here)
        while journal_of(here.live).newest() is not None:
            here.do(undo(here.live))
        assert everything(here.root) == before, step
        check_whole(here.root)
        return left.interrupted is not None
    finally:
        here.close()


def test_a_landing_that_cannot_be_put_back_is_cut_short_and_taken_back_later(here: Desk) -> None:
    before = state(here)
    real, calls = here.live.save, 0

    async def save() -> object:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(5, "Input/output error")
        return await real()

    object.__setattr__(here.live, "save", save)
    hook(here, "pre-commit", "exit 1\n")
    with pytest.raises(OSError):
        do_land(here)
    object.__setattr__(here.live, "save", real)
    with pytest.raises(NotPossibleNow, match="`land` was cut short"):
        do_land(here)
    here.do(undo(here.live))
    assert state(here) == before
    assert "theirs.txt" not in files_of(here.root)
