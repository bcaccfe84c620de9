"""Changes that only the index can record, because Git does not look at the files.

Such paths are marked skip-worktree or assume-unchanged, lie outside a sparse checkout, or are submodules that are not
checked out. There Git itself records a merge in the index alone, and the next snapshot takes them from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from bough_daemon.errors import ConflictUnseen
from bough_daemon.git.index import Stage, changed, hidden_paths, left_out
from bough_daemon.git.objects import SUBMODULE, TreeEntry
from bough_daemon.git.rules import is_sparse
from bough_daemon.git.worktree import Worktree
from bough_daemon.transaction.context import LiveWorktree


@dataclass(frozen=True)
class IndexOnly:
    """What a command leaves to the index. `hidden`: the paths that are marked already.

    `outside`: new paths, to be marked. `entries`: what the index gets for such paths; None: a removal.
    """

    hidden: frozenset[str]
    outside: frozenset[str]
    entries: Mapping[str, TreeEntry | None]

    @property
    def spared(self) -> frozenset[str]:
        """The paths whose files stay as they are."""
        return self.hidden | self.outside

    @property
    def given(self) -> list[str]:
        """The blobs that the index will name; a submodule's commit is in another repository."""
        return [one.oid for one in self.entries.values() if one is not None and one.mode != SUBMODULE]

    def index(self, worktree: Worktree) -> Callable[[], bytes] | None:
        """Return how to make the index; None if it stays as it is."""
        return partial(changed, worktree, (), entries=self.entries, outside=self.outside) if self.entries else None

    def without(self, stages: Iterable[Stage]) -> IndexOnly:
        """Return the same without the entries of conflicts.

        Raise ConflictUnseen if a conflict is at a path that is left alone: nobody could resolve it.
        """
        unmerged = {stage.path for stage in stages}
        unseen = min(unmerged & self.spared, default=None)
        if unseen is not None:
            raise ConflictUnseen(f"{unseen} conflicts, and Git does not look at this file here", path=unseen)
        return replace(self, entries={path: one for path, one in self.entries.items() if path not in unmerged})


def index_only(live: LiveWorktree, before: str, after: str, at: str | None = None) -> IndexOnly:
    """Return what the index alone records when the files change from one tree to another.

    `at`: the tree that the index will be at; None: it changes as the files do.
    """
    changes = list(live.store.objects.difference(before, after))
    hidden = hidden_paths(live.worktree)
    new = [path for path, old, now in changes if old is None and now is not None and path not in hidden]
    outside = left_out(live.worktree, new) if new and is_sparse(live.worktree) else frozenset[str]()
    links = {
        path
        for path, _, now in changes
        if now is not None and now.mode == SUBMODULE
        if not os.path.lexists(os.path.join(live.worktree.root, path, ".git"))
    }
    paths = hidden | outside | links
    from_there = changes if at is None else live.store.objects.difference(at, after) if paths else ()
    return IndexOnly(hidden, outside, {path: now for path, _, now in from_there if path in paths})
