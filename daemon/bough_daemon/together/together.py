"""Keeps branches of a repository that are together folded into one another, with a loop for each working tree."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from bough_daemon.api.records import Guest, Guests, StayedBranch
from bough_daemon.commands.merge_source import is_here, known_source, solid_state
from bough_daemon.errors import BadUsage, BoughError, NothingSolid, OwnBranch, UnknownMember
from bough_daemon.git.objects import Objects
from bough_daemon.history.company import ASK, FOLD, OFF
from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.merging.merge_input import MergeInput
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import Store
from bough_daemon.system.supervisor import Pause, Supervisor
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.together.crossings import Crossings
from bough_daemon.together.folder import Attempt, Other, WorktreeFolder
from bough_daemon.together.folding import Folding, SolidSearch, Surroundings
from bough_daemon.together.report import TogetherReport, report_of
from bough_daemon.together.standing import Standings
from bough_daemon.together.stay_fold import StayFold
from bough_daemon.together.stays import Stays
from bough_daemon.together.tree_fold import Undecided
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.file_state import Disturbed

log = logging.getLogger(__name__)

WORK = "folding"
HOST_PATIENCE = 1.0  # seconds for the host to take a leaving guest's last save
LOOK_PATIENCE = 3.0  # seconds by which the check for stale saves may delay sharing a snapshot
TRIES = 8  # of one fold, while snapshots arrive and the engine decides
DISTURBED_PAUSE = 0.03  # seconds before a fold that met a save is retried
STAY_PAUSE = 3.0  # seconds between checks whether a Git branch that a tree stays on has moved, as no event reports it
HELD_PAUSE = 2.0  # seconds before a retry if a conflict or an operation of Git's is in the way
APART_PAUSE, MOST_APART_PAUSE = 5.0, 60.0  # seconds before two branches whose files still differ are folded again
ENGINE_BYTES = 8_000_000  # the largest version of a file that is given to the merge engine


class Together:
    """Keeps the branches of a repository folded into one another. On the event loop."""

    def __init__(self, store: Store, owner: StoreThread, background: Supervisor, around: Surroundings) -> None:
        self._store = store
        self._owner = owner
        self._background = background
        self._around = around
        self._crossings = Crossings(store)
        self._foldings: dict[str, Folding] = {}
        self._standings = Standings(store, around)

    def begin(self, session: Recorder) -> None:
        """Start folding into a working tree."""
        folder = WorktreeFolder(session, self._around.live(session), self._crossings)
        stays = Stays(self._store.folder, session.worktree)
        apart = Pause(APART_PAUSE, MOST_APART_PAUSE)
        folding = Folding(session, folder, stays, StayFold(folder, self._around.merge), apart)
        self._foldings[session.worktree.root] = folding
        folding.task = self._background.keep(WORK, lambda: self._run(folding))
        folding.wake.set()

    async def end(self, root: str) -> None:
        """Stop folding into a working tree, after the fold in progress."""
        folding = self._foldings.pop(root, None)
        if folding is None:
            return
        if folding.retry is not None:
            folding.retry.cancel()
        if folding.task is not None:
            folding.task.cancel()
            await asyncio.wait([folding.task])

    def wake(self) -> None:
        """Check what there is to fold: a branch has moved, or a setting has changed."""
        for folding in self._foldings.values():
            folding.wake.set()
            folding.moved.set()

    async def until_taken(self, session: Recorder) -> None:
        """Save, and wait a moment for a connected host to take what this guest has saved."""
        folding = self._foldings.get(session.worktree.root)
        if folding is None or session.branch.tip is None or not session.branch.tip.company.guest_of:
            return
        await session.save()
        with suppress(TimeoutError):
            async with asyncio.timeout(HOST_PATIENCE):
                folding.moved.clear()
                while not await self._owner.run(self._is_taken, folding):
                    await folding.moved.wait()
                    folding.moved.clear()

    def _is_taken(self, folding: Folding) -> bool:
        """Return whether the host has what its guest has saved, or cannot be expected to take it."""
        mine = folding.session.branch.tip
        host = folding.folder.live.teammate(mine.company.guest_of) if mine is not None else None
        theirs = read_snapshot(self._store.objects, host.tip) if host is not None else None
        if mine is None or host is None or theirs is None or not host.connected:
            return True
        if theirs.company.rule_of(folding.session.branch.name) != FOLD:
            return True
        has_nothing_new = self._store.objects.commit(mine.shared).tree == theirs.tree
        return has_nothing_new or theirs.company.folded.get(folding.session.branch.name) == mine.shared

    async def look(self, root: str) -> Snapshot | None:
        """Make sure that the newest snapshot did not overwrite a fold that its author had not read.

        Return that snapshot, which may have been superseded since; None if there was nothing to check, or it failed.
        """
        folding = self._foldings.get(root)
        if folding is None or folding.session.is_acting:
            return None
        if folding.folder.has_all:
            # What was repaired a moment ago may not have been announced yet.
            return folding.folder.checked if folding.folder.checked is folding.session.branch.tip else None
        looking = self._background.begin(WORK, partial(self._until_repaired, folding))
        # A command may have begun: then this check finishes after it.
        await asyncio.wait({looking}, timeout=LOOK_PATIENCE)
        return folding.folder.checked if looking.done() else None

    async def _until_repaired(self, folding: Folding) -> None:
        """Repair the newest snapshot, or a newer one: a missing fold would be undone for everyone."""
        end = time.monotonic() + LOOK_PATIENCE
        while not await self._repair(folding):
            await asyncio.sleep(DISTURBED_PAUSE)
            if time.monotonic() >= end:
                return

    async def _run(self, folding: Folding) -> None:
        while True:
            await folding.wake.wait()
            folding.wake.clear()
            try:
                await self._repair(folding)
                await self._tell_guests(folding)
                others = await self._others(folding)
                if others and not folding.warm:
                    folding.warm = True
                    self._around.warm_up()
                await self._fold_all(folding, others)
                await self._stay(folding)
            except BaseException:
                folding.wake.set()  # after the restart
                raise

    async def _others(self, folding: Folding) -> list[Other]:
        """Return the branches that are folded into a working tree; of a solid one, its newest solid state if any."""
        found, others = list[Other](), await self._owner.run(self._standings.others, folding)
        if not any(other.solid for other in others):
            folding.solid = SolidSearch()
        for other in others:
            tip = await self._solid_tip(folding, other) if other.solid else other.tip
            if tip is not None:
                found.append(replace(other, tip=tip))
            else:
                folding.held[other.branch] = folding.solid.why
        return found

    async def _solid_tip(self, folding: Folding, other: Other) -> str | None:
        """Return the newest solid state of a branch; None if there is none, which `held` explains."""
        live, last = folding.folder.live, folding.solid
        mark = live.solid(other.branch)
        is_new = (last.branch, last.mark) != (other.branch, mark)
        if is_new or not await self._owner.run(is_here, self._store.objects, mark):
            last = SolidSearch(other.branch, mark)
        if last.found is None and last.tip != other.tip:
            theirs, searched = LiveBranch(other.branch, other.tip, ""), last.tip
            try:
                found = await live.beside(lambda there: solid_state(there, theirs, searched))
                last = replace(last, found=found.tip)
            except NothingSolid as nothing:
                last = replace(last, tip=nothing.facts.get("searched", ""), why=nothing.message)
        folding.solid = last
        return last.found

    # Branches that a working tree stays on.

    def stays(self, session: Recorder) -> list[StayedBranch]:
        """Return the branches that a working tree stays on."""
        folding = self._foldings.get(session.worktree.root)
        if folding is None:
            return []
        held, waits = folding.stay.held, folding.stay.waits
        return [
            StayedBranch(name, held.get(name, ""), solid, waits.get(name, ""))
            for name, solid in folding.stays.all().items()
        ]

    async def stay(self, session: Recorder, name: str, *, stop: bool, solid: bool = False) -> None:
        """Stay on a branch, or with `stop` no longer; raise UnknownMember, OwnBranch or NoStay.

        An empty `name` with `stop`: on none of them. `solid`: only on states that its member marks as solid.
        """
        folding = self._foldings[session.worktree.root]
        if stop:
            folding.stays.stop(name)
            folding.stay.held.clear()
        elif name:
            await folding.folder.live.beside(lambda there: _check_branch(there, name, solid))
            folding.stays.add(name, solid=solid)
            folding.stay = StayFold(folding.folder, self._around.merge)
            await self._stay(folding)

    async def _stay(self, folding: Folding) -> None:
        """Fold the branches that a working tree stays on."""
        stays = folding.stays.all()
        if not stays or (await self._owner.run(folding.journal)).interrupted:
            return
        for name, solid in stays.items():
            try:
                made = await folding.stay.fold(name, solid=solid)
            except Disturbed:
                folding.try_again(DISTURBED_PAUSE)
                continue
            if made is not None:
                folding.session.announce()
        folding.try_again(STAY_PAUSE)

    # Guests.

    async def guests(self, session: Recorder) -> Guests:
        """Return the guests of a working tree, and those about whom the user has decided."""
        rules, here = self._around.guests, (await self._owner.run(self._standings.of, session)).guests
        named = sorted({*here, *rules.decided()})
        return Guests(rules.setting, [Guest(name, rules.rule_of(name), name in here) for name in named])

    async def decide(self, session: Recorder, name: str, rule: str) -> None:
        """Decide whether a guest's edits come into the files; raise UnknownMember, OwnBranch or BadUsage."""
        rules = self._around.guests
        if rule not in (FOLD, ASK, OFF):
            raise BadUsage(f"{rule!r} is not one of fold, off and ask")
        if name == session.branch.name:
            raise OwnBranch(f"{name} is your own branch", name=name)
        if name not in await self._owner.run(self._around.tips) and name not in rules.decided():
            raise UnknownMember(f"there is no live branch {name}", name=name)
        await to_the_end(asyncio.to_thread(rules.decide, name, rule))
        self.wake()

    # Reporting.

    def report(self, session: Recorder) -> TogetherReport:
        """Return what `status` shows about the branches that a working tree is together with. On the store's thread."""
        folding = self._foldings.get(session.worktree.root)
        standing, rules = self._standings.of(session), self._around.guests
        return report_of(self._store.objects, standing, rules, session, folding, self._around.tips())

    # Folding.

    async def _tell_guests(self, folding: Folding) -> None:
        """Tell guests whose edits are not folded here, if that has changed."""

        def say() -> bool:
            branch, tip = folding.session.branch, folding.session.branch.tip
            told = self._around.guests.told(self._standings.of(folding.session).guests)
            if tip is None or tip.operation or tip.company.guests == told or folding.journal().interrupted:
                return False
            branch.record(tip.tree, tip.base, "guests", company=replace(tip.company, guests=told))
            return True

        if await self._owner.run(say):
            folding.session.announce()

    async def _fold_all(self, folding: Folding, others: list[Other]) -> None:
        """Fold each of some branches, and fold them again later if their files still differ."""
        present = {one.branch for one in others}
        for other in others:
            await self._fold_or_note(folding, other, present)
        solid = {folding.solid.branch} if folding.solid.found is None else set[str]()
        for name in folding.held.keys() - present - solid:
            del folding.held[name]
        apart = await self._owner.run(self._standings.are_apart, folding, others)
        if apart:
            self._look_again(folding, others)

    async def _fold_or_note(self, folding: Folding, other: Other, present: set[str]) -> None:
        """Fold a branch; if that fails, retry soon, and fold the others meanwhile."""
        try:
            await self._fold(folding, other, present)
        except Exception as failure:
            self._background.note(WORK, failure)
            folding.try_again(APART_PAUSE)

    def _look_again(self, folding: Folding, others: list[Other]) -> None:
        """Fold from the beginning if files have differed for a while although nothing is left to fold."""
        now, mine = time.monotonic(), folding.session.branch.tip
        tips = mine.oid if mine is not None else "", *(other.tip for other in others)
        if tips != folding.looked_at[0]:
            folding.apart = Pause(APART_PAUSE, MOST_APART_PAUSE)
        elif now < folding.looked_at[1]:
            folding.try_again(folding.looked_at[1] - now)
            return
        else:
            folding.folder.forget_settled()
            folding.wake.set()
        wait = folding.apart.after(0.0)
        folding.looked_at = tips, now + wait
        folding.try_again(wait)

    async def _fold(self, folding: Folding, other: Other, present: set[str]) -> None:
        for _ in range(TRIES):
            async with folding.session.without_commands():
                attempt = await self._owner.run(folding.folder.fold, other, present)
            if attempt.undecided:
                await self._decide(attempt.undecided)
            elif attempt.again:
                folding.session.announce()
            else:
                break
        self._note(folding, other, attempt)

    def _note(self, folding: Folding, other: Other, attempt: Attempt) -> None:
        if attempt.held:
            folding.held[other.branch] = attempt.held
        else:
            folding.held.pop(other.branch, None)
        if attempt.disturbed or attempt.held or attempt.undecided:
            folding.try_again(DISTURBED_PAUSE if attempt.disturbed else HELD_PAUSE)
        if attempt.made is not None:
            if attempt.made.company.paused:
                folding.try_again(HELD_PAUSE)
            folding.session.announce()

    async def _repair(self, folding: Folding) -> bool:
        """Repair a save that is missing a fold; return False while that file is being saved again."""
        if folding.folder.has_all:
            return True
        try:
            async with folding.session.without_commands():
                await self._owner.run(folding.folder.repair)
        except Disturbed:
            folding.folder.checked = None
            folding.try_again(DISTURBED_PAUSE)
            return False
        except (BoughError, OSError) as failure:  # this must not keep anything from the team
            self._background.note(WORK, failure)
            folding.folder.checked = None
            folding.try_again(HELD_PAUSE)
        finally:
            folding.session.announce()
        return True

    async def _decide(self, undecided: tuple[Undecided, ...]) -> None:
        """Have the merge engine decide the conflicts that line folding cannot."""
        sides = await self._owner.run(_sides, self._store.objects, undecided)
        decided: Mapping[str, bytes | None]
        try:
            made = await asyncio.to_thread(self._around.merge, sides)
            decided = {path: one.content if not one.conflicts else None for path, one in made.items()}
        except BoughError as failure:
            log.warning("nothing was merged by structure: %s", failure.message)
            decided = {}
        for one in undecided:
            await self._owner.run(self._crossings.folder.decide, one, decided.get(one.path))


def _check_branch(live: LiveWorktree, name: str, solid: bool) -> None:
    """Raise UnknownMember if there is no such branch here, OwnBranch for the user's own."""
    mine = live.branch.tip
    if name == live.branch.name:
        raise OwnBranch(f"{name} is your own branch", name=name)
    if mine is not None:
        with suppress(NothingSolid):  # there may be one later
            known_source(live, name, mine, solid=solid)


def _sides(objects: Objects, undecided: tuple[Undecided, ...]) -> MergeInput:
    """Return three versions of files; those that are too large for the engine are left out."""
    sides = MergeInput()
    for one in undecided:
        if all(entry is None or objects.size(entry.oid) <= ENGINE_BYTES for entry in one.three):
            sides.entries[one.path] = one.three
            for entry, versions in zip(one.three, (sides.base, sides.ours, sides.theirs), strict=True):
                if entry is not None:
                    versions[one.path] = objects.blob(entry.oid)
    return sides
