"""Fold a branch into a working tree as a whole, as `bough merge` would, if that is clean; else not at all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bough_daemon.commands.hop import hop_now
from bough_daemon.commands.merge import Merged, merge_preview
from bough_daemon.commands.merge_source import MergeSource, known_source
from bough_daemon.errors import BoughError, GitTooSlow, NothingSolid, NotPossibleNow
from bough_daemon.history.timeline import Snapshot
from bough_daemon.merging.merge_input import Both
from bough_daemon.store.walks import AGAIN_SECONDS, comparing
from bough_daemon.system.text import first_few
from bough_daemon.together.folder import MOST_FOLDED, MUCH, WorktreeFolder
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import Disturbed

Plan = tuple[Snapshot, MergeSource]


@dataclass
class StayFold:
    """Keeps branches folded into one working tree.

    By name of the branch, `held`: why it is not folded; `waits`: why there is nothing to fold yet.
    """

    folder: WorktreeFolder
    both: Both
    held: dict[str, str] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    _tried: dict[str, tuple[str, str]] = field(default_factory=dict)  # the last merge, which failed
    _costly_until: dict[str, float] = field(default_factory=dict)  # the moment (monotonic) when it is tried again

    async def fold(self, name: str, *, solid: bool) -> Snapshot | None:
        """Fold a branch and return the new tip; None if there is nothing to fold, or `held` has the reason.

        `solid`: fold only states that are marked as solid.
        """
        live = self.folder.live
        if time.monotonic() < self._costly_until.get(name, 0.0):
            return None
        try:
            with comparing(f"{name}'s branch" if live.teammate(name) is not None else name):
                plan = await live.beside(lambda there: self._plan(there, name, solid))
                if plan is None:
                    return None
                mine, source = plan
                merged = await merge_preview(live, source, mine, self.both)
            self._check(source, merged)
            async with self.folder.session.without_commands():
                made = await live.owner.run(self._carry_out, name, mine, source, merged)
        except Disturbed:
            raise
        except NothingSolid as nothing:
            self.held.pop(name, None)
            self.waits[name] = nothing.message
            return None
        except BoughError as failure:
            self.held[name] = failure.message
            if isinstance(failure, GitTooSlow):
                self._costly_until[name] = time.monotonic() + AGAIN_SECONDS
            return None
        self.held.pop(name, None)
        return made

    def _plan(self, live: LiveWorktree, name: str, solid: bool) -> Plan | None:
        """Return what must be merged into what; None if all of it is here, or the same merge has just failed."""
        mine = self.folder.session.branch.tip
        if mine is None or mine.operation:
            return None
        there = hop_now(live)
        if there is not None:
            raise NotPossibleNow(f"the files here show {there.name}'s branch")
        source = known_source(live, name, mine, solid=solid)
        self.waits.pop(name, None)
        if live.store.is_ancestor(source.brought, mine.oid):
            self.held.pop(name, None)
            return None
        state = mine.tree, source.commit
        if self._tried.get(name) == state:
            return None
        self._tried[name] = state
        return mine, source

    def _check(self, source: MergeSource, merged: Merged) -> None:
        """Raise NotPossibleNow if a person must review the merge first."""
        if merged.conflicts:
            raise NotPossibleNow(f"conflicts in {first_few(merged.conflicts)}")
        if merged.untouched:
            raise NotPossibleNow(f"it would remove what {source.name} never touched, in {first_few(merged.untouched)}")
        if source.taken_out is not None:
            raise NotPossibleNow(f"it would bring back {source.taken_out}")

    def _carry_out(self, name: str, mine: Snapshot, source: MergeSource, merged: Merged) -> Snapshot | None:
        folder, objects = self.folder, self.folder.live.store.objects
        if folder.session.branch.tip is not mine:
            del self._tried[name]
            raise Disturbed("HEAD")
        if folder.is_much(mine.tree, merged.tree, mine.tree):
            raise NotPossibleNow(MUCH.format(MOST_FOLDED))
        changes = {path: now for path, _, now in objects.difference(mine.tree, merged.tree)}
        held = folder.held_paths(mine, changes)
        if held:
            path = min(held)
            raise NotPossibleNow(f"{path}: {held[path]}")
        try:
            tree = folder.place(mine, changes, name)
        except Disturbed:
            del self._tried[name]
            raise
        return folder.session.branch.record(tree, mine.base, f"stay {name}", since=mine.tree, contains=[source.brought])
