"""Where work lands: which branch, which remote, and what stands there now."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from bough_daemon.errors import BadUsage, GitFailed, PushRefused
from bough_daemon.heads import BRANCHES, commit_of
from bough_daemon.live import Live
from bough_daemon.store import Store
from bough_daemon.terminal import Terminal
from bough_daemon.worktree import Worktree

SETTINGS = ".bough.toml"
DEFAULT_BRANCH, DEFAULT_REMOTE = "main", "origin"
RETRY = (
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "stale info",
)


class RemoteMoved(PushRefused):
    """Somebody else's push came first; nothing was changed."""


@dataclass(frozen=True)
class Target:
    """The shared branch. `ref`: its full name. `remote`: where it is shared, None where the team alone shares it."""

    ref: str
    remote: str | None

    @classmethod
    def of(cls, worktree: Worktree) -> Target:
        """Read `[land]` of `.bough.toml`; else `main`, and its upstream's remote, or `origin`, or none."""
        settings = _settings(worktree)
        branch, remote = settings.get("branch", DEFAULT_BRANCH), settings.get("remote")
        ref = f"{BRANCHES}{branch}"
        if branch.startswith("-") or worktree.git.result("check-ref-format", ref, allowed=(0, 1))[0] != 0:
            raise BadUsage(f"{SETTINGS} names {branch!r}, which is no name for a branch", branch=branch)
        known = worktree.git.run("remote").decode().split()
        if remote is not None and remote not in known:
            raise BadUsage(f"{SETTINGS} names the remote {remote!r}, and there is none of this name", remote=remote)
        upstream = worktree.config(f"branch.{branch}.remote")
        wanted = remote or (upstream if upstream in known else DEFAULT_REMOTE)
        return cls(ref, wanted if wanted in known else None)

    @property
    def name(self) -> str:
        """The branch as people call it."""
        return self.ref.removeprefix(BRANCHES)

    async def fetched(self, live: Live, terminal: Terminal) -> str | None:
        """Return the commit that the remote's branch is at, its objects here; None where it has no such branch."""
        if self.remote is None:
            return None
        asked = await terminal.run(["git", "ls-remote", "--heads", self.remote, self.ref], live.worktree.root)
        if asked.code != 0:
            raise GitFailed(f"{self.remote} does not answer: {asked.errors.strip()}", output=asked.errors)
        lines = [line.split("\t") for line in asked.output.decode().splitlines()]
        tip = next((line[0] for line in lines if line[1] == self.ref), None)
        if tip is None or await live.owner.run(commit_of, live.worktree, tip) is not None:
            return tip
        fetch = ["git", "fetch", "--quiet", "--no-write-fetch-head", self.remote, self.ref]
        fetched = await terminal.run(fetch, live.worktree.root)
        if fetched.code != 0 or await live.owner.run(commit_of, live.worktree, tip) is None:
            raise GitFailed(f"fetching from {self.remote} failed: {fetched.errors.strip()}", output=fetched.errors)
        return tip

    async def push(self, live: Live, terminal: Terminal, commit: str) -> None:
        """Publish a commit on the remote's branch; raise PushRefused, or RemoteMoved where another push came first."""
        if self.remote is None:
            return
        command = ["git", "push", "--porcelain", self.remote, f"{commit}:{self.ref}"]
        pushed = await terminal.run(command, live.worktree.root)
        if pushed.code == 0:
            return
        lines = pushed.output.decode(errors="replace").splitlines()
        refused = next((line.split("\t")[-1] for line in lines if line.startswith("!")), "")
        if await self._arrived(live, terminal, commit):
            return  # the answer was lost on the way back
        kind = RemoteMoved if any(word in refused for word in RETRY) else PushRefused
        # What the remote says is padded to wipe a line of progress; that the push failed is known by now.
        told = [line.strip() for line in pushed.errors.splitlines()]
        said = "\n".join(line for line in (refused, *told) if line and not line.startswith("error: failed to push"))
        raise kind(f"{self.remote} did not take the push to {self.name}: {said}", remote=self.remote, output=said)

    async def _arrived(self, live: Live, terminal: Terminal, commit: str) -> bool:
        asked = await terminal.run(["git", "ls-remote", "--heads", str(self.remote), self.ref], live.worktree.root)
        return asked.code == 0 and asked.output.startswith(commit.encode())


def newest(store: Store, commits: Sequence[str]) -> list[str]:
    """Return those of `commits` that no other of them contains."""
    unique = list(dict.fromkeys(commits))
    return [one for one in unique if not any(one != other and store.is_ancestor(one, other) for other in unique)]


def _settings(worktree: Worktree) -> dict[str, str]:
    try:
        with open(os.path.join(worktree.root, SETTINGS), "rb") as source:
            land = tomllib.load(source).get("land", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as failure:
        raise BadUsage(f"{SETTINGS} cannot be read: {failure}") from failure
    if not isinstance(land, dict) or not all(isinstance(land.get(key, ""), str) for key in ("branch", "remote")):
        raise BadUsage(f"{SETTINGS}: [land] takes `branch` and `remote`, both text")
    return {key: land[key] for key in ("branch", "remote") if key in land}
