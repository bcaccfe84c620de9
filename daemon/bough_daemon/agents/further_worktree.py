"""Create a working tree for an agent from the user's current state, and remove it again.

The user typed the command, so Git itself creates the worktree, with the user's filters and hooks, and a branch in it.
Uncommitted changes come from a snapshot; files that are not recorded (`.env`, `node_modules`) are copied if
`.bough.toml` names them. Any teammate may have written that file, so nothing outside the working tree is copied, and
what it wants to run is only reported: the command line asks.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bough_daemon.agents.agent_list import Agent, AgentList, check_agent_name
from bough_daemon.errors import (
    AgentAtWork,
    BadAgentName,
    BadRepositorySettings,
    BoughError,
    BranchExists,
    WorktreeNotMade,
)
from bough_daemon.git.refs import BRANCHES, commit_of, free_branch, short
from bough_daemon.git.repository_settings import NAME, table_on_disk
from bough_daemon.git.store_reading import HOPS
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.timeline import Snapshot
from bough_daemon.store.walks import LONGEST_SECONDS
from bough_daemon.transaction.apply import apply
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState
from bough_daemon.transaction.terminal import Terminal

MOST_COPIED = 200_000  # files
ELSEWHERE = "Choose another folder: `bough config set worktree.folder /path`."
REMOVE_FIRST = "Remove it with `bough agent hop --remove` once its work is merged, then try again."


@dataclass(frozen=True)
class Made:
    """An agent with its working tree. `is_new`: it was just created. `copied`: the paths that were copied, as named.

    `run`: what `.bough.toml` wants to run in it; empty: nothing.
    """

    agent: Agent
    is_new: bool
    copied: list[str] = field(default_factory=list)
    run: str = ""


def place_of(folder: str, worktree: Worktree, name: str) -> str:
    """Return the path for an agent's working tree, below a `folder` outside every repository."""
    repository = os.path.basename(os.path.dirname(worktree.common_dir)) or "repository"
    digest = hashlib.sha256(os.fsencode(worktree.common_dir)).hexdigest()[:6]
    return os.path.join(os.path.realpath(folder), f"{repository}-{digest}", name)


def database_of(worktree: Worktree, name: str) -> str:
    """Return a database name of an agent's own: letters, digits and `_`."""
    repository = os.path.basename(os.path.dirname(worktree.common_dir))
    return re.sub(r"[^a-z0-9]+", "_", f"{repository}_{name}".lower()).strip("_")


async def make(live: LiveWorktree, terminal: Terminal, agents: AgentList, name: str, folder: str) -> Made:
    """Create a working tree for an agent from the current state; an existing one is left as it is.

    That of `HOPS` has no Git branch of its own: its HEAD is detached. Raise BadAgentName, BranchExists, WorktreeNotMade
    or BadRepositorySettings: then nothing of it is left.
    """
    async with agents.making:
        known = agents.all().get(name)
        if known is not None and name == HOPS and known.git_branch:
            raise BadAgentName(
                f"the agent {name} has the name of the working tree for hops", name=name, hint=REMOVE_FIRST
            )
        if known is not None and os.path.lexists(os.path.join(known.root, ".git")):
            if known.is_whole:
                return Made(known, False)
            await discard(live, terminal, known)  # it was killed on the way, and nobody was told of it
        git_branch = check_agent_name(name) if name != HOPS else ""
        return await _make(live, terminal, agents, name, git_branch, folder)


async def _make(
    live: LiveWorktree, terminal: Terminal, agents: AgentList, name: str, git_branch: str, folder: str
) -> Made:
    settings = _Settings.of(live.worktree.root)
    snapshot = await live.save()
    if git_branch and await live.owner.run(commit_of, live.worktree, BRANCHES + git_branch) is not None:
        raise BranchExists(f"the branch {git_branch} already exists", branch=git_branch)
    root = place_of(folder, live.worktree, name)
    port = agents.free_port()
    agent = Agent(name, root, snapshot.base, snapshot.oid, git_branch, port, is_whole=False, has_begun=False)
    agents.put(agent)  # first, so that what a kill leaves can be removed
    try:
        await _add(live, terminal, agent)
        made = await live.owner.run(_fill, live, agent, snapshot)
        copied = [path for path in settings.copy if _copy(live.worktree.root, made.root, path)]
    except BaseException:
        await discard(live, terminal, agent)
        agents.drop(name)
        raise
    agent = replace(agent, is_whole=True)
    agents.put(agent)
    return Made(agent, True, copied, settings.run)


async def remove(live: LiveWorktree, terminal: Terminal, agents: AgentList, name: str) -> tuple[Agent, str]:
    """Remove an agent's working tree; return the agent, and the Git branch that has its own commits, if any.

    The agent's live branch is kept. Raise UnknownAgent, AgentAtWork or WorktreeNotMade.
    """
    agent = agents.known(name)
    if agent.runs:
        raise AgentAtWork(f"`{agent.command}` is still running for {name}", process=str(agent.process))
    kept = await discard(live, terminal, agent)
    if os.path.isdir(agent.root):
        raise WorktreeNotMade(f"{agent.root} could not be removed", path=agent.root)
    agents.drop(name)
    return agent, kept


async def discard(live: LiveWorktree, terminal: Terminal, agent: Agent) -> str:
    """Delete an agent's working tree, and its Git branch if that has no commits of its own; return the kept branch."""
    root = live.worktree.root
    kept = await live.beside(partial(_commits_left, agent=agent)) if not agent.git_branch else None
    if kept is not None:
        done = await terminal.run(["git", "branch", "-q", "--", short(kept[0]), kept[1]], root)
        if done.code != 0:
            raise WorktreeNotMade(f"its commits could not be kept: {done.errors.strip()}", path=agent.root)
    await terminal.run(["git", "worktree", "remove", "--force", "--force", "--", agent.root], root)
    if not os.path.isdir(agent.root):
        await terminal.run(["git", "worktree", "prune"], root)
    if not agent.git_branch:
        return short(kept[0]) if kept is not None else ""
    at = await live.owner.run(commit_of, live.worktree, BRANCHES + agent.git_branch)
    if at is not None and at != agent.base:
        return agent.git_branch
    if at is not None:
        await terminal.run(["git", "branch", "-q", "-D", "--", agent.git_branch], root)
    return ""


def _commits_left(live: LiveWorktree, agent: Agent) -> tuple[str, str] | None:
    """Return a free branch for what a detached HEAD alone names, and that commit; None if nothing would be lost."""
    try:
        head = Worktree.find(agent.root, live.worktree.user).head()
    except BoughError:
        return None  # it was removed by hand, or never made
    if head.branch is not None or head.commit == agent.base:
        return None
    if live.worktree.git.run("for-each-ref", "--contains", head.commit, seconds=LONGEST_SECONDS):
        return None
    return free_branch(live.worktree, HOPS, "worktree"), head.commit


async def _add(live: LiveWorktree, terminal: Terminal, agent: Agent) -> None:
    folder = os.path.dirname(agent.root)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as failure:
        message = f"the folder {folder} could not be created: {failure.strerror}"
        raise WorktreeNotMade(message, path=folder, hint=ELSEWHERE) from failure
    branch = ["-b", agent.git_branch] if agent.git_branch else ["--detach"]
    # Twice: a worktree that was deleted by hand is still registered there.
    command = ["git", "worktree", "add", "--force", "--force", "--quiet", *branch]
    done = await terminal.run([*command, "--", agent.root, agent.base], live.worktree.root)
    if done.code != 0:
        raise WorktreeNotMade(f"Git could not create the working tree: {done.errors.strip()}", path=agent.root)


def _fill(live: LiveWorktree, agent: Agent, snapshot: Snapshot) -> Worktree:
    """Put the uncommitted changes into the new working tree. On the store's thread."""
    made = Worktree.find(agent.root, live.worktree.user)
    objects = live.store.objects
    committed = FileState(objects.commit(snapshot.base).tree)
    scratch = replace(live, worktree=made).scratch
    apply(made, objects, committed, FileState(snapshot.tree), scratch=scratch)
    return made


@dataclass(frozen=True)
class _Settings:
    """The table `[worktree]` of the repository's `.bough.toml`."""

    copy: list[str]
    run: str

    @classmethod
    def of(cls, root: str) -> _Settings:
        """Read it; raise BadRepositorySettings if a value is not valid."""
        said = table_on_disk(root, "worktree")
        copy, run = said.get("copy", []), said.get("run", "")
        if not isinstance(copy, list) or not all(isinstance(one, str) for one in copy):
            raise BadRepositorySettings(f"{NAME}: `copy` of [worktree] is not a list of paths")
        if not isinstance(run, str) or not all(letter.isprintable() or letter in "\n\t" for letter in run):
            raise BadRepositorySettings(f"{NAME}: `run` of [worktree] is not a command")
        for path in copy:
            parts = Path(path).parts
            if not parts or os.path.isabs(path) or ".." in parts or ".git" in map(str.lower, parts):
                raise BadRepositorySettings(f"{NAME}: {path!r} of [worktree] is not a path inside the working tree")
        return cls(copy, run.strip())


def _copy(source: str, target: str, pattern: str) -> bool:
    """Copy what a pattern names and a new working tree lacks; return whether anything matched. Links stay links."""
    found = False
    for path in sorted(Path(source).glob(pattern)):
        name = path.relative_to(source)
        there = Path(target, name)
        if os.path.lexists(there) or not (_is_inside(path, source) and _is_inside(there, target)):
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            there.symlink_to(os.readlink(path))
        elif path.is_dir():
            _check_amount(path)
            shutil.copytree(path, there, symlinks=True, ignore=_special)
        elif path.is_file():
            shutil.copy2(path, there)
        else:
            continue
        found = True
    return found


def _is_inside(path: Path, root: str) -> bool:
    """Return whether the folder of a path is inside a tree, following symlinks."""
    folder = os.path.realpath(path.parent)
    return folder == root or folder.startswith(root + os.sep)


def _check_amount(folder: Path) -> None:
    if sum(1 for _ in zip(range(MOST_COPIED + 1), _files(folder), strict=False)) > MOST_COPIED:
        raise BadRepositorySettings(f"{NAME}: {folder} has more than {MOST_COPIED:,} files to copy")


def _files(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names


def _special(folder: str, names: list[str]) -> set[str]:
    """Return the names of pipes and sockets, which cannot be copied."""
    paths = {name: Path(folder, name) for name in names}
    return {name for name, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())}
