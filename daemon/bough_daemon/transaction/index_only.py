"""Changes that only the index can record, because Git does not look at the files.

Such paths are marked skip-worktree or assume-unchanged, lie outside a sparse checkout, or are submodules that are not
checked out. There Git itself records a merge in the index alone, and the next snapshot takes them from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from bough_daemon.errors import ConflictUnseen
from bough_daemon.git.index import Stage, changed, hidden_paths, left_out
from bough_daemon.git.objects import SUBMODULE, Objects, TreeEntry
from bough_daemon.git.rules import is_sparse
from bough_daemon.git.worktree import Worktree
from bough_daemon.transaction.context import LiveWorktree


@dataclass(frozen=True)
class IndexOnly:
    """The paths that a command leaves alone on disk. `hidden`: marked already. `outside`: new ones, to be marked.

    `links`: submodules that are not checked out.
    """

    hidden: frozenset[str]
    outside: frozenset[str]
    links: frozenset[str]

    @property
    def spared(self) -> frozenset[str]:
        """The paths whose files stay as they are."""
        return self.hidden | self.outside

    def entries(self, objects: Objects, there: str, tree: str) -> dict[str, TreeEntry | None]:
        """Return the entries for an index that is at the tree `there`, so that it records `tree`."""
        paths = self.spared | self.links
        return {path: after for path, _, after in objects.difference(there, tree) if path in paths} if paths else {}

    def index(self, worktree: Worktree, entries: Mapping[str, TreeEntry | None]) -> Callable[[], bytes] | None:
        """Return how to make the index with such entries; None if it stays as it is."""
        return partial(changed, worktree, (), entries=entries, outside=self.outside) if entries else None

    def named(self, entries: Mapping[str, TreeEntry | None]) -> list[str]:
        """Return the blobs that such entries name; a submodule's commit is in another repository."""
        return [one.oid for one in entries.values() if one is not None and one.mode != SUBMODULE]

    def check(self, stages: Iterable[Stage]) -> None:
        """Raise ConflictUnseen if a conflict is at a path that is left alone: nobody could resolve it."""
        unseen = min((stage.path for stage in stages if stage.path in self.spared), default=None)
        if unseen is not None:
            raise ConflictUnseen(f"{unseen} conflicts, and Git does not look at this file here", path=unseen)


def index_only(live: LiveWorktree, before: str, after: str) -> IndexOnly:
    """Return the paths that the index alone records when the files change from one tree to another."""
    changes = list(live.store.objects.difference(before, after))
    hidden = hidden_paths(live.worktree)
    new = [path for path, old, now in changes if old is None and now is not None and path not in hidden]
    return IndexOnly(
        hidden,
        left_out(live.worktree, new) if new and is_sparse(live.worktree) else frozenset(),
        frozenset(
            path
            for path, _, now in changes
            if now is not None and now.mode == SUBMODULE
            if not os.path.lexists(os.path.join(live.worktree.root, path, ".git"))
        ),
    )
