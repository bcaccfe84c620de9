"""Staged changes to paths that stay on this machine: a landing leaves them out, and leaves them staged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bough_daemon.git import index
from bough_daemon.git.objects import FOLDER, Objects, TreeEntry
from bough_daemon.git.paths import folders_above
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.timeline import Snapshot
from bough_daemon.privacy.withheld import withheld_paths
from bough_daemon.transaction.context import LiveWorktree


@dataclass(frozen=True)
class Staging:
    """Index entries to keep as they are, by path; None: staged as removed.

    `intended`: those that `git add --intent-to-add` made. `reasons`: why each path stays on this machine.
    """

    entries: Mapping[str, TreeEntry | None] = field(default_factory=dict)
    intended: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def over(self, worktree: Worktree, objects: Objects, commit: str, data: bytes) -> bytes:
        """Return an index at `commit` with these entries, except those that conflict with its tree."""
        tree = objects.commit(commit).tree
        entries = {path: entry for path, entry in self.entries.items() if _has_room(objects, tree, path)}
        intended = {path for path in self.intended if _has_room(objects, tree, path)}
        return index.with_entries(worktree, entries, intended, data) if entries or intended else data


def staged_at_home(live: LiveWorktree, mine: Snapshot) -> Staging:
    """Return the staged changes to paths that `mine` does not share. On the store's thread."""
    objects = live.store.objects
    staged, intended = index.staged(live.worktree)
    if not staged and not intended:
        return Staging()
    shared = objects.commit(mine.shared).tree
    tree = objects.splice(shared, {path: entry for path, entry in staged.items() if entry is not None})
    found = live.branch.withheld | withheld_paths(objects, live.store.secrets, objects.commit(mine.base).tree, tree)
    reasons: dict[str, str] = {}
    for path in staged.keys() | intended:
        why = next((found[at] for at in (path, *folders_above(path)) if at in found), None)
        if why is None and objects.entry(mine.tree, path) != objects.entry(shared, path):
            why = "withheld"
        if why is not None:
            reasons[path] = why
    entries = {path: entry for path, entry in staged.items() if path in reasons}
    return Staging(entries, frozenset(intended & reasons.keys()), reasons)


def _has_room(objects: Objects, tree: str, path: str) -> bool:
    """Return whether a tree can have an entry at `path`: no file or folder is in its way."""
    above = [objects.entry(tree, folder) for folder in folders_above(path)]
    there = objects.entry(tree, path)
    return all(one is None or one.mode == FOLDER for one in above) and (there is None or there.mode != FOLDER)
