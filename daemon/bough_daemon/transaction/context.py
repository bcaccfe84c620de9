"""One live working tree, as seen by the commands that change the user's files."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bough_daemon.errors import OutsideWorktree, UnknownMember
from bough_daemon.git.filters import OutsideRules
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.worktree import Worktree, whole
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import Snapshot
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread, to_the_end

T = TypeVar("T")


@dataclass(frozen=True)
class LiveBranch:
    """A teammate's branch as it is known here: the shared tip, in the store, and the commit that it is based on.

    `connected`: whether a newer state would arrive at once.
    """

    name: str
    tip: str
    base: str
    connected: bool = True


@dataclass(frozen=True)
class StagedFile:
    """A file that was made beforehand: its name in the folder, its entry, and the blob of its exact bytes."""

    name: str
    entry: TreeEntry | None
    oid: str


@dataclass(frozen=True)
class StagedFiles:
    """The files of a change to a state of the files, in `folder`, by path.

    `tree`, `raw`: that state's. `rules`: those outside the tree, under which they were made.
    """

    folder: str
    tree: str
    raw: Mapping[str, str]
    files: Mapping[str, StagedFile]
    rules: OutsideRules


@dataclass(frozen=True)
class LiveWorktree:
    """A worktree with its store and live branch.

    `owner`: the thread for all work on the store. `save`: takes an exact snapshot and returns it. `teammate`: returns a
    branch by name, or None. `cwd`: the folder that the command was typed in; empty: unknown. `solid`: returns the
    snapshot that the member of a branch marked as solid last; empty: none. `discard`: removes a folder with
    replaced files, sooner or later. `staged`: files of the command that is carried out, made beforehand.
    """

    worktree: Worktree
    store: Store
    branch: Branch
    owner: StoreThread
    save: Callable[[], Awaitable[Snapshot]]
    teammate: Callable[[str], LiveBranch | None]
    cwd: str = ""
    solid: Callable[[str], str] = lambda name: ""
    discard: Callable[[str], object] = shutil.rmtree
    staged: StagedFiles | None = None

    @property
    def scratch(self) -> str:
        """The folder that holds this worktree's old files during a change."""
        folder = os.path.join(self.store.folder, "stage", os.path.basename(self.worktree.git_dir))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder

    async def beside(self, work: Callable[[LiveWorktree], T]) -> T:
        """Return the result of work that may walk through long histories, on a thread on which no save waits.

        `work` gets this working tree with a store of that thread's own; the live branch is not for it to change.
        """

        def do() -> T:
            with self.store.beside() as store:
                return work(replace(self, store=store))

        return await to_the_end(asyncio.to_thread(do))

    def known(self, name: str) -> LiveBranch:
        """Return the teammate with this name, or raise UnknownMember."""
        found = self.teammate(name)
        if found is None:
            near = self.teammate(name.lower())
            hint = {"hint": f"Did you mean {near.name}?"} if near is not None else {}
            raise UnknownMember(f"{name} has no live branch here", name=name, **hint)
        return found

    def from_top(self, typed: Sequence[str]) -> list[str]:
        """Return typed paths as Git names them; raise BadUsage if one is outside the working tree."""
        root = self.worktree.root
        here = os.path.realpath(self.cwd or root)
        return [_from_top(root, whole(os.path.join(here, path))) for path in typed]


def _from_top(root: str, path: str) -> str:
    relative = os.path.relpath(path, root)
    if relative == ".." or relative.startswith("../"):
        raise OutsideWorktree(f"{path} is outside the working tree")
    return "" if relative == "." else relative
