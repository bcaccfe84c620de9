"""Find the shared branch, fetch it, and push to it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bough_daemon.commands.hooks import refusal
from bough_daemon.errors import BadRepositorySettings, BadUsage, GitFailed, NoSharedBranch, PushRefused
from bough_daemon.git.refs import BRANCHES, commit_of, short
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.git.repository_settings import table_on_disk
from bough_daemon.git.worktree import DEFAULT_REMOTE, Worktree
from bough_daemon.store.store import Store
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.terminal import Terminal

DEFAULT_BRANCH = "main"
PROTECTED = re.compile(
    r"protected|GH006|GH013|rule violation|not allowed to push|TF40\d{4}|pull request|merge request|code review",
    re.IGNORECASE,
)
RETRY = (
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "stale info",
)


class RemoteMoved(PushRefused):
    """Someone else's push came first; nothing was changed."""


@dataclass(frozen=True)
class Target:
    """The shared branch. `ref`: its full name here. `remote`: where it is shared; None: only the team shares it.

    `theirs`: its full name on the remote, which may differ from the local one.
    """

    ref: str
    remote: str | None
    theirs: str

    @classmethod
    async def of(cls, live: LiveWorktree, terminal: Terminal) -> Target:
        """Return the branch that `[land]` in `.bough.toml` names, else `main`, else the default branch of the remote.

        A local branch means its upstream, whatever its name. The remote is asked only if the answer is not known
        here.
        """
        branches = await live.owner.run(_Branches.of, live.worktree)
        found = branches.target()
        if found is not None:
            return found
        remote = branches.remote_of(DEFAULT_BRANCH)
        if remote is None:
            return branches.without_remote(await live.owner.run(live.worktree.config, "init.defaultBranch"))
        heads, default = await _heads(live, terminal, remote)
        return branches.at_remote(remote, heads, default)

    @classmethod
    def known(cls, live: LiveWorktree) -> Target | None:
        """Return the shared branch if it is known without asking a remote. On the store's thread."""
        try:
            return _Branches.of(live.worktree).target()
        except BadUsage:
            return None

    @property
    def name(self) -> str:
        """The short name of the branch."""
        return short(self.theirs if self.remote is not None else self.ref)

    @property
    def place(self) -> str:
        """The branch with its remote, for messages."""
        return f"{self.name} of {self.remote}" if self.remote is not None else self.name

    async def fetched(self, live: LiveWorktree, terminal: Terminal, *, tracked: bool = True) -> str | None:
        """Return the commit of the remote's branch, fetched; None if the remote has no such branch.

        `tracked`: update the remote-tracking branch, as `git fetch` does.
        """
        if self.remote is None:
            return None
        asked = await terminal.run(["git", "ls-remote", "--heads", self.remote, self.theirs], live.worktree.root)
        if asked.code != 0:
            raise _no_answer(self.remote, asked.errors)
        lines = [line.split("\t") for line in os.fsdecode(asked.output).splitlines()]
        tip = next((line[0] for line in lines if line[1] == self.theirs), None)
        if tip is None or await live.owner.run(commit_of, live.worktree, tip) is not None:
            return tip
        untracked = [] if tracked else ["--refmap=", "--no-tags"]
        fetch = ["git", "fetch", "--quiet", "--no-write-fetch-head", *untracked, self.remote, self.theirs]
        fetched = await terminal.run(fetch, live.worktree.root)
        if fetched.code != 0 or await live.owner.run(commit_of, live.worktree, tip) is None:
            raise GitFailed(f"fetching from {self.remote} failed: {fetched.errors.strip()}", output=fetched.errors)
        return tip

    async def push(self, live: LiveWorktree, terminal: Terminal, commit: str, *, verify: bool = True) -> None:
        """Publish a commit on the remote's branch; `verify`: run the pre-push hook.

        Raise PushRefused, RemoteMoved if another push came first, or HookRefused.
        """
        if self.remote is None:
            return
        command = ["git", "push", "--porcelain", *([] if verify else ["--no-verify"])]
        command += [self.remote, f"{commit}:{self.theirs}"]
        with tempfile.TemporaryDirectory(prefix="push-", dir=live.scratch) as folder:
            trace = os.path.join(folder, "trace")
            pushed = await terminal.run(command, live.worktree.root, {"GIT_TRACE2_EVENT": trace})
            if pushed.code == 0:
                return
            refused_here = _pre_push_failed(trace)
        told = [line.strip() for line in pushed.errors.splitlines()]
        told = [line for line in told if line and not line.startswith("error: failed to push")]
        output = pushed.output.decode(errors="replace").splitlines()
        if refused_here:
            raise refusal("pre-push", "\n".join([*output, *told]))
        refused = next((line.split("\t")[-1] for line in output if line.startswith("!")), "")
        if await self._arrived(live, terminal, commit):
            return  # the answer was lost
        kind = RemoteMoved if any(word in refused for word in RETRY) else PushRefused
        # The remote's output is padded to overwrite a line of progress; that the push failed is known already.
        said = "\n".join(line for line in (refused, *told) if line)
        hint = {"hint": self._way_round(commit)} if kind is PushRefused and PROTECTED.search(said) else {}
        raise kind(f"{self.remote} refused the push to {self.name}: {said}", remote=self.remote, output=said, **hint)

    def _way_round(self, commit: str) -> str:
        return (
            f"{self.name} accepts no direct push. Push the commit to a branch of your own and open a pull request: "
            f"`git push {self.remote} {commit[:10]}:{BRANCHES}NAME`."
        )

    async def _arrived(self, live: LiveWorktree, terminal: Terminal, commit: str) -> bool:
        asked = await terminal.run(["git", "ls-remote", "--heads", str(self.remote), self.theirs], live.worktree.root)
        return asked.code == 0 and asked.output.startswith(commit.encode())


@dataclass(frozen=True)
class _Branches:
    """The local branches and remotes.

    `settings`: `[land]` in `.bough.toml`. `upstreams`: (remote, full name there) by local branch. `tracked`: the
    relevant remote-tracking branches, each with the reference that it points to (remotes' HEAD), if any.
    """

    settings: Mapping[str, str]
    remotes: frozenset[str]
    upstreams: Mapping[str, tuple[str, str]]
    local: Mapping[str, str]
    tracked: Mapping[str, str]

    @classmethod
    def of(cls, worktree: Worktree) -> _Branches:
        settings, git = _settings(worktree), worktree.git
        branch, remote = settings.get("branch"), settings.get("remote")
        if branch is not None and (
            branch.startswith("-") or git.result("check-ref-format", BRANCHES + branch, allowed=(0, 1))[0] != 0
        ):
            raise BadRepositorySettings(
                f"{SETTINGS} names the branch {branch!r}, which is not a valid name", branch=branch
            )
        remotes = worktree.remotes()
        if remote is not None and remote not in remotes:
            raise BadRepositorySettings(
                f"{SETTINGS} names the remote {remote!r}, which does not exist here", remote=remote
            )
        names = [DEFAULT_BRANCH, "HEAD", *([branch] if branch is not None else [])]
        patterns = [f"refs/remotes/{one}/{name}" for one in remotes for name in names]
        lines = os.fsdecode(git.run("for-each-ref", "--format=%(refname) %(HEAD)%(symref)", BRANCHES, *patterns))
        refs = dict(line.partition(" ")[::2] for line in lines.splitlines())
        local = {short(ref): mark for ref, mark in refs.items() if ref.startswith(BRANCHES)}
        tracked = {ref: symref[1:] for ref, symref in refs.items() if not ref.startswith(BRANCHES)}
        return cls(settings, remotes, _upstreams(worktree.settings()), local, tracked)

    def target(self) -> Target | None:
        """Return the shared branch if it is known without asking the remote, else None."""
        named = self.settings.get("branch")
        if named is not None:
            return self._standing_for(named, self.remote_of(named))
        remote = self.remote_of(DEFAULT_BRANCH)
        if DEFAULT_BRANCH in self.local:
            upstream = self.upstreams.get(DEFAULT_BRANCH)
            known = upstream is not None and upstream[0] == remote
            if remote is None or known or self._is_tracked(remote, DEFAULT_BRANCH):
                return self._standing_for(DEFAULT_BRANCH, remote)
            return None
        if remote is None:
            return None
        head = self.tracked.get(f"refs/remotes/{remote}/HEAD", "").removeprefix(f"refs/remotes/{remote}/")
        name = DEFAULT_BRANCH if self._is_tracked(remote, DEFAULT_BRANCH) else head
        return self._standing_for(name, remote) if name else None

    def remote_of(self, branch: str) -> str | None:
        """Return the remote that shares a local branch: the configured one, that of its upstream, or `origin`."""
        upstream = self.upstreams.get(branch, ("", ""))[0]
        wanted = self.settings.get("remote") or (upstream if upstream in self.remotes else DEFAULT_REMOTE)
        return wanted if wanted in self.remotes else None

    def without_remote(self, usual: str) -> Target:
        """Return the branch that only the team shares, if none is configured: the user's default, or the only one."""
        known = [name for name in (usual, "master") if name in self.local]
        name = next(iter(known or (self.local if len(self.local) == 1 else [DEFAULT_BRANCH])))
        return Target(BRANCHES + name, None, BRANCHES + name)

    def at_remote(self, remote: str, heads: Collection[str], default: str) -> Target:
        """Return the shared branch of a remote with these branches (full names), `default` among them if any."""
        wanted = BRANCHES + DEFAULT_BRANCH
        if not heads:
            here = next((name for name, mark in self.local.items() if mark.startswith("*")), DEFAULT_BRANCH)
            ref = wanted if DEFAULT_BRANCH in self.local else BRANCHES + here
            return Target(ref, remote, ref)
        theirs = next((ref for ref in (wanted, default) if ref in heads), "")
        if not theirs and len(heads) > 1:
            raise NoSharedBranch(f"{remote} has no branch {DEFAULT_BRANCH} and no default branch")
        found = self._standing_for(short(theirs or next(iter(heads))), remote)
        exists = short(found.ref) in self.local
        return found if exists or DEFAULT_BRANCH not in self.local else Target(wanted, remote, found.theirs)

    def _is_tracked(self, remote: str, name: str) -> bool:
        return f"refs/remotes/{remote}/{name}" in self.tracked

    def _standing_for(self, name: str, remote: str | None) -> Target:
        """Return the target that `name` means: the local branch and its upstream, or the remote's branch."""
        ref = BRANCHES + name
        at, theirs = self.upstreams.get(name, ("", ""))
        if remote is None or (name in self.local and at != remote):
            return Target(ref, remote, ref)
        if name in self.local:
            return Target(ref, remote, theirs)
        marks = ((mark, other) for other, mark in self.local.items() if self.upstreams.get(other) == (remote, ref))
        tracking = max(marks, default=("", name))[1]
        return Target(BRANCHES + tracking, remote, ref)


def _upstreams(settings: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return (remote, full name of the branch there) for each local branch that has an upstream."""
    found: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        section, _, fact = key.rpartition(".")
        if section.startswith("branch.") and fact in ("remote", "merge"):
            found.setdefault(section.removeprefix("branch."), {})[fact] = value
    full = {name: (facts.get("remote", ""), _full(facts.get("merge", ""))) for name, facts in found.items()}
    return {name: pair for name, pair in full.items() if pair[1].startswith(BRANCHES)}


def _full(name: str) -> str:
    return name if not name or name.startswith("refs/") else BRANCHES + name


async def _heads(live: LiveWorktree, terminal: Terminal, remote: str) -> tuple[list[str], str]:
    """Return the branches of a remote, and its default branch (full names; empty: none)."""
    command = ["git", "ls-remote", "--symref", remote, "HEAD", "refs/heads/*"]
    asked = await terminal.run(command, live.worktree.root)
    if asked.code != 0:
        raise _no_answer(remote, asked.errors)
    lines = [line.partition("\t")[::2] for line in os.fsdecode(asked.output).splitlines()]
    default = next((oid.removeprefix("ref: ") for oid, ref in lines if ref == "HEAD" and oid.startswith("ref: ")), "")
    return [ref for _, ref in lines if ref.startswith(BRANCHES)], default


def _no_answer(remote: str, said: str) -> GitFailed:
    return GitFailed(f"{remote} does not answer: {said.strip()}", output=said)


def _pre_push_failed(trace: str) -> bool:
    """Return whether git's record of a push (trace2, by line) shows that the pre-push hook ended it."""
    with suppress(FileNotFoundError), open(trace, "rb") as source:
        events = [json.loads(line) for line in source]
        hooks = {(one["sid"], one["child_id"]) for one in events if one.get("hook_name") == "pre-push"}
        ends = [one for one in events if one["event"] == "child_exit" and (one["sid"], one["child_id"]) in hooks]
        return any(one["code"] != 0 for one in ends)
    return False


def newest(store: Store, commits: Sequence[str]) -> list[str]:
    """Return those of `commits` that none of the others contains."""
    unique = list(dict.fromkeys(commits))
    return [one for one in unique if not any(one != other and store.is_ancestor(one, other) for other in unique)]


def _settings(worktree: Worktree) -> dict[str, str]:
    land = table_on_disk(worktree.root, "land")
    if not all(isinstance(land.get(key, ""), str) for key in ("branch", "remote")):
        raise BadRepositorySettings(f"{SETTINGS}: [land] takes `branch` and `remote`, both strings")
    return {key: land[key] for key in ("branch", "remote") if key in land}
