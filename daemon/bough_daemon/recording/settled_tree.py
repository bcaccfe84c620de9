"""The tree of a working tree's files, with the branch's version of files that are not settled."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace

from bough_daemon.git.objects import Objects
from bough_daemon.git.reflog import HeadReader
from bough_daemon.history.branches import Branch
from bough_daemon.privacy.flood import Flood
from bough_daemon.privacy.private_names import why_private
from bough_daemon.privacy.purged import WHY_NOT_RECORDED
from bough_daemon.recording.events import EventCollector
from bough_daemon.recording.settling import UNCOVERED, ExactSave, Look, Unsettled
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.recording.uncovered import Uncovered
from bough_daemon.recording.watcher import FolderWatch


class SettledTree:
    """Make the tree of one working tree. On the store's thread only."""

    def __init__(self, snapshots: TreeBuilder, unsettled: Unsettled, branch: Branch, head_reader: HeadReader) -> None:
        self._snapshots = snapshots
        self._unsettled = unsettled
        self._branch = branch
        self._objects: Objects = branch.store.objects
        self._flood = Flood(self._objects, snapshots.index)
        self._uncovered = Uncovered(snapshots.worktree, branch, snapshots.index, head_reader)
        branch.before_record = self._note_command
        self._rules_at: float | None = None
        self._purged = set[str]()

    def _note_command(self, before: str, after: str, base: str, event: str) -> None:
        self._uncovered.note_command(before, after, event)
        self._snapshots.covered.note_command(self._objects.commit(base).tree, before, after)

    def recorded(self) -> None:
        """Note that the last tree was recorded: who changed the rules up to it need not be found out again."""
        self._uncovered.recorded()

    def uncovered(self) -> dict[str, str]:
        """Return what only weakened ignore rules uncovered and is therefore not in the tree, with the reason."""
        return self._uncovered.reasons

    def purged(self) -> dict[str, str]:
        """Return the files that are not in the tree because their content was purged, with the reason."""
        return dict.fromkeys(self._purged, WHY_NOT_RECORDED)

    @property
    def due(self) -> float:
        """The moment (monotonic) when there may be more to share; infinite if nothing waits. From any thread."""
        return min(self._unsettled.due, self._flood.due, self._branch.due)

    def take(self, base: str, changes: EventCollector, watch: FolderWatch, exact: ExactSave | None) -> str:
        """Return the tree after some changes, and tell the branch what the team must not get yet.

        `base`: HEAD's commit. `exact`: what the tree is needed for, if it must be exact.
        """
        if changes.rules and self._branch.tip is not None:
            self._rules_at = time.monotonic()
        tip = self._branch.tip
        self._unsettled.pace(together=tip is not None and bool(tip.company))
        look = self._look(base, changes, watch, exact)
        some = self._after(changes, look)
        tree = some or self._all(base, replace(look, touched=None))
        tree = self._without_purged(base, tree)
        tree = self._by_rules(base, tree, look, changes.paths if some is not None else None)
        self._unsettled.end()
        self._branch.unshared = self._unsettled.unshared()
        self._branch.flooded = self._flooded(base, tree, look)
        return tree

    def _without_purged(self, base: str, tree: str) -> str:
        """Return a tree with HEAD's version of files whose content was purged, unless HEAD has just that content."""
        purged, objects, tip = self._branch.store.purged.ids, self._objects, self._branch.tip
        if not purged:
            return tree
        base_tree = objects.commit(base).tree
        changes = objects.difference(tip.tree if tip is not None else base_tree, tree)
        found = {path: now.oid for path, _, now in changes if now is not None and now.oid in purged}
        at_base = {path: objects.entry(base_tree, path) for path in found}
        gone = {path: entry for path, entry in at_base.items() if entry is None or entry.oid != found[path]}
        if gone:
            tree = objects.splice(tree, gone)
            objects.remove_loose(found[path] for path in gone)
        self._purged = {path for path in self._purged | gone.keys() if self._is_as_at(base_tree, tree, path)}
        return tree

    def _is_as_at(self, base_tree: str, tree: str, path: str) -> bool:
        """Return whether a tree has HEAD's version of a path, though there is a file."""
        there = os.path.lexists(os.path.join(self._snapshots.worktree.root, path))
        return there and self._objects.entry(tree, path) == self._objects.entry(base_tree, path)

    def _by_rules(self, base: str, tree: str, look: Look, looked_at: set[str] | None) -> str:
        """Return a tree without what weakened rules uncovered, and with what others' rules cover."""
        is_own, tip, covered = self._uncovered.note(tree), self._branch.tip, self._snapshots.covered
        again = self._uncovered.let_go()
        covered.drop_tracked(self._snapshots.index)
        if tip is not None and tip.tree != tree:
            again |= covered.note_brought(self._objects.commit(base).tree, tip.tree, tree, is_own)
        if tip is not None and looked_at is None:
            again |= covered.drop_own(tip.tree, tree, is_own)
        if again:
            tree = self._snapshots.after(tree, again) or self._all(base, replace(look, touched=None))
        waiting = {path for path, why in self._unsettled.unshared().items() if why == UNCOVERED}
        tree = self._uncovered.without(self._objects.commit(base).tree, tree, looked_at, waiting)
        self._unsettled.drop(filter(self._uncovered.holds, waiting))
        return tree

    def _flooded(self, base: str, tree: str, look: Look) -> dict[str, str]:
        tip, base_tree = self._branch.tip, self._objects.commit(base).tree
        shared = self._objects.commit(tip.shared).tree if tip is not None else base_tree
        return self._flood.held(base_tree, shared, tree, look.now, waits=tip is not None and look.until is None)

    def _after(self, changes: EventCollector, look: Look) -> str | None:
        tip = self._branch.tip
        if tip is None or changes.lost or changes.rules:
            return None
        waiting = look.written | self._unsettled.paths()
        paths = changes.paths | self._unsettled.ready(look.now) | set(filter(look.committed, waiting))
        if look.until is not None:
            # Asked here, because the check before may just have found a nested repository.
            paths |= self._snapshots.linked() | self._snapshots.to_retry() | waiting
        self._unsettled.begin(look, paths)
        return self._snapshots.after(tip.tree, paths)

    def _all(self, base: str, look: Look) -> str:
        objects, tip = self._objects, self._branch.tip
        base_tree = objects.commit(base).tree
        before, seen = (tip.tree, objects.commit(tip.shared).tree) if tip is not None else (None, base_tree)
        heavy = self._unsettled.heavy() if look.until is None else set[str]()
        self._unsettled.begin(look, ())
        tree = self._snapshots.everything(base_tree, before, heavy)
        # Not what differs from the tip, which may have a half-written file from an exact save that nobody received.
        paths = {path for path, _, now in objects.difference(seen, tree) if now is not None}
        paths |= self._unsettled.paths() | look.written
        self._unsettled.begin(look, paths)
        held = {path: objects.entry(before or base_tree, path) for path in paths if self._holds(path)}
        return objects.splice(tree, held) if held else tree

    def _holds(self, path: str) -> bool:
        try:
            status = os.lstat(os.path.join(self._snapshots.worktree.root, path))
        except OSError:
            return False
        return not stat.S_ISDIR(status.st_mode) and self._unsettled.holds(path, status)

    def _look(self, base: str, changes: EventCollector, watch: FolderWatch, exact: ExactSave | None) -> Look:
        objects, tip = self._objects, self._branch.tip
        now = objects.commit(base).tree
        before = objects.commit(tip.base).tree if tip is not None else now
        self._snapshots.heads = (before, now)
        had = [now, objects.commit(tip.shared).tree] if tip is not None else [now]

        def known(path: str) -> bool:
            if why_private(path) is not None:
                return True  # it is never shared
            names = (path, *changes.former_names(path))
            return any(objects.entry(tree, name) is not None for tree in had for name in names)

        def committed(path: str) -> bool:
            return before != now and objects.entry(now, path) not in (None, objects.entry(before, path))

        moment = time.monotonic()
        return Look(
            now=moment,
            clock=time.time(),
            touched=changes.paths,
            written=watch.written(),
            known=known,
            committed=committed,
            has_writer=watch.has_writer,
            until=exact.begin(moment) if exact is not None else None,
            rules_at=self._rules_at,
        )
