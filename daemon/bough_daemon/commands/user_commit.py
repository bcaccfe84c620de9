"""Create a commit as `git commit` would: with the user's hooks, name and signature, in the user's terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bough_daemon.commands.hooks import Hooks, name_in_git_dir, run_hook
from bough_daemon.errors import GitFailed, HookRefused
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.replacements import TRAILER
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.terminal import NOTHING, Terminal

MESSAGE = "COMMIT_EDITMSG"
MESSAGE_HOOKS = frozenset({"prepare-commit-msg", "commit-msg"})
NO_HOOKS: Hooks = frozenset()


@dataclass(frozen=True)
class Draft:
    """A commit to create. `trailers`: `NAME: VALUE`, for the end of the message."""

    tree: str
    parents: Sequence[str]
    message: str
    trailers: Sequence[str]


async def run_pre_commit(terminal: Terminal, worktree: Worktree, environment: Mapping[str, str]) -> str:
    """Run the pre-commit hook and return the tree that it leaves in the index; raise HookRefused or GitFailed."""
    await run_hook(terminal, worktree, "pre-commit", [], environment)
    return (await _git(terminal, worktree, ["write-tree"], environment)).decode().strip()


async def commit(
    live: LiveWorktree,
    terminal: Terminal,
    draft: Draft,
    *,
    hooks: Hooks = NO_HOOKS,
    environment: Mapping[str, str] = NOTHING,
) -> str:
    """Commit a draft, whose tree is in the user's database, and return the commit; no branch moves.

    `hooks`: the existing ones; those for the message get it in Git's own file, as from `git commit -m`, and
    `environment`. Raise HookRefused or GitFailed.
    """
    cleaned = await live.owner.run(_stripped, live.worktree, draft.message.encode(errors="surrogateescape"))
    message = await live.owner.run(_with_trailers, live.worktree, cleaned, draft.trailers)
    if hooks & MESSAGE_HOOKS:
        left = await _with_hooks(live, terminal, message, hooks, environment)
        message = await live.owner.run(_with_trailers, live.worktree, left, draft.trailers)
    signed = await live.owner.run(_signs, live.worktree)
    arguments = ["commit-tree", *(["-S"] if signed else []), "-F", "-"]
    arguments += [word for parent in draft.parents for word in ("-p", parent)]
    made = await _git(terminal, live.worktree, [*arguments, draft.tree], environment, message)
    return made.decode().strip()


async def _with_hooks(
    live: LiveWorktree, terminal: Terminal, message: bytes, hooks: Hooks, environment: Mapping[str, str]
) -> bytes:
    """Return the message after the hooks have run on it."""
    path, named = os.path.join(live.worktree.git_dir, MESSAGE), name_in_git_dir(live.worktree, MESSAGE)
    await asyncio.to_thread(Path(path).write_bytes, message)
    for hook, arguments in (("prepare-commit-msg", [named, "message"]), ("commit-msg", [named])):
        if hook in hooks:
            await run_hook(terminal, live.worktree, hook, arguments, environment)
    left = await live.owner.run(_stripped, live.worktree, await asyncio.to_thread(Path(path).read_bytes))
    if not left:
        raise HookRefused("a hook left the commit message empty", hook="commit-msg", output="")
    return left


def trailers_for(snapshot: str, others: Sequence[str]) -> list[str]:
    """Return the trailers of a landed commit."""
    return [*(f"Co-authored-by: {author}" for author in others), f"{TRAILER}: {snapshot}"]


def _stripped(worktree: Worktree, message: bytes) -> bytes:
    return worktree.git.run("stripspace", stdin=message)


def _with_trailers(worktree: Worktree, message: bytes, trailers: Sequence[str]) -> bytes:
    """Return a message with those of the trailers that it does not have yet."""
    options = [word for trailer in trailers for word in ("--trailer", trailer)]
    arguments = ["interpret-trailers", "--no-divider", "--if-exists", "addIfDifferent", *options]
    return worktree.git.run(*arguments, stdin=message)


def _signs(worktree: Worktree) -> bool:
    return worktree.git.line("config", "--type=bool", "--get", "commit.gpgSign", allowed=(0, 1)) == "true"


async def _git(
    terminal: Terminal,
    worktree: Worktree,
    arguments: Sequence[str],
    environment: Mapping[str, str] = NOTHING,
    stdin: bytes = b"",
) -> bytes:
    finished = await terminal.run(["git", *arguments], worktree.root, environment, stdin)
    if finished.code != 0:
        said = finished.errors.strip()
        raise GitFailed(f"git {arguments[0]} failed: {said}", output=said)
    return finished.output
