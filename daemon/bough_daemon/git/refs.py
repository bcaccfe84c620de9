"""Move the user's HEAD and branches as git's own commands do, reflog included."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bough_daemon.errors import BranchHasMoved, CheckedOutElsewhere, OperationUnderWay
from bough_daemon.git.command import GitCommand
from bough_daemon.git.remembered import loose_branch, may_have_refs
from bough_daemon.git.worktree import Head, Worktree

BRANCHES = "refs/heads/"
REMOTES = "refs/remotes/"
# In the order in which Git itself decides (wt-status.c): a rebase picks and merges on its way. Each linked worktree has
# its own.
OPERATIONS = {
    "rebase-apply/applying": "am",
    "rebase-apply": "rebase",
    "rebase-merge": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
SEQUENCED = {b"pick": "cherry-pick", b"p": "cherry-pick", b"revert": "revert"}  # first words of sequencer/todo
NAMES = {"rebase": "a rebase", "merge": "a merge", "cherry-pick": "a cherry-pick", "revert": "a revert"}

Moves = Mapping[str, tuple[str | None, str | None]]
Ways = Mapping[str, tuple[str | None, ...]]


def commits_below(git: GitCommand, folder: str) -> list[str]:
    """Return what the references below a folder name, in the repository whose common directory `git` works on.

    Git is asked only if there may be any.
    """
    if not may_have_refs(git.git_dir, folder):
        return []
    return git.run("for-each-ref", "--format=%(objectname)", folder).decode().split()


def operation(worktree: Worktree) -> str | None:
    """Return the unfinished git command (merge, rebase, …) in progress here, or None."""
    found = next((word for name, word in OPERATIONS.items() if os.path.exists(f"{worktree.git_dir}/{name}")), None)
    if found is None:
        found = _sequenced(worktree)
    if found is None and os.path.exists(f"{worktree.git_dir}/BISECT_LOG"):
        return "bisect"
    return found


def _sequenced(worktree: Worktree) -> str | None:
    """Return the command that has more commits to pick or revert, after one of them was committed by hand."""
    try:
        with open(f"{worktree.git_dir}/sequencer/todo", "rb") as todo:
            words = [line.split(maxsplit=1)[0] for line in todo if line.strip() and not line.startswith(b"#")]
    except FileNotFoundError:
        return None
    return SEQUENCED.get(words[0] if words else b"pick", "cherry-pick")


def check_idle(worktree: Worktree) -> None:
    """Raise NotPossibleNow, with the way out, while a git command is in progress here."""
    command = operation(worktree)
    if command is None:
        return
    way_out = f"Finish it with `git {command} --continue`, or abort it with `git {command} --abort`."
    if command == "bisect":
        way_out = "End it with `git bisect reset`."
    name = NAMES.get(command, f"`git {command}`")
    raise OperationUnderWay(f"{name} is in progress here", operation=command, hint=way_out)


def commit_of(worktree: Worktree, ref: str) -> str | None:
    """Return the commit that a reference names, or None."""
    loose = loose_branch(worktree.common_dir, ref) if ref.startswith(BRANCHES) else None
    if loose is not None:
        return loose
    return worktree.git.line("rev-parse", "-q", "--verify", f"{ref}^{{commit}}", allowed=(0, 1, 128)) or None


def checked_out_at(worktree: Worktree, branch: str) -> str | None:
    """Return the folder of another worktree that a branch (`refs/heads/…`) is checked out in, or None."""
    if worktree.is_only_one:
        return None
    for block in worktree.git.run("worktree", "list", "--porcelain", "-z").split(b"\0\0"):
        facts = dict(os.fsdecode(line).partition(" ")[::2] for line in block.split(b"\0") if line)
        folder = facts.get("worktree", "")
        if facts.get("branch") == branch and os.path.realpath(folder) != worktree.root:
            return folder
    return None


def check_free(worktree: Worktree, branch: str) -> None:
    """Raise CheckedOutElsewhere if a branch is checked out in another worktree."""
    folder = checked_out_at(worktree, branch)
    if folder is not None:
        raise CheckedOutElsewhere(f"{short(branch)} is checked out in {folder}", branch=short(branch), path=folder)


def move_head(worktree: Worktree, head: Head, message: str) -> None:
    """Put HEAD on a branch, or detached on a commit."""
    if head.branch is not None:
        worktree.git.run("symbolic-ref", "-m", message, "HEAD", head.branch)
    else:
        worktree.git.run("update-ref", "--no-deref", "-m", message, "HEAD", head.commit)


def move_refs(worktree: Worktree, moves: Moves, message: str) -> None:
    """Move references, all or none, each from one commit to another; None: it does not exist."""
    lines = [
        f"update {ref}\0{new}\0{old or '0' * 40}\0" if new is not None else f"delete {ref}\0{old}\0"
        for ref, (old, new) in moves.items()
    ]
    if lines:
        worktree.git.run("update-ref", "-m", message, "-z", "--stdin", stdin=os.fsencode("".join(lines)))


def backward(worktree: Worktree, ways: Ways) -> Moves:
    """Return the moves that undo `ways`; raise NotPossibleNow if a reference has moved elsewhere."""
    back: dict[str, tuple[str | None, str | None]] = {}
    for ref, way in ways.items():
        now = commit_of(worktree, ref)
        if now not in way:
            raise BranchHasMoved(f"{short(ref)} has moved since", branch=short(ref))
        if now != way[0]:
            back[ref] = (now, way[0])
    return back


def free_branch(worktree: Worktree, folder: str, name: str) -> str:
    """Return an unused reference for a branch `folder/name`, numbered if taken."""
    taken = {line.decode() for line in worktree.git.run("for-each-ref", "--format=%(refname)").split(b"\n")}
    join = "-" if BRANCHES + folder in taken else "/"  # Git cannot have a branch below a branch
    wanted = f"{BRANCHES}{folder}{join}{name}"
    number, ref = 1, wanted
    while any(other == ref or other.startswith(ref + "/") for other in taken):
        number += 1
        ref = f"{wanted}-{number}"
    return ref


def short(ref: str) -> str:
    """Return a branch's name without its prefix."""
    return ref.removeprefix(BRANCHES)


def words(head: Head) -> str:
    """Return HEAD as `git switch` writes it in the reflog."""
    return short(head.branch) if head.branch is not None else head.commit
