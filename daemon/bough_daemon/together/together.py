"""The branches that are together in one repository, and the loop for each working tree that keeps them so."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bough_daemon.api.records import StayedBranch
from bough_daemon.commands.hop import hop_now
from bough_daemon.commands.merge_source import known_source
from bough_daemon.commands.solid_state import solid_state
from bough_daemon.errors import BoughError, NothingSolid, OwnBranch
from bough_daemon.git.objects import Objects
from bough_daemon.history.journal import Hop
from bough_daemon.history.timeline import read_snapshot
from bough_daemon.merging.merge_input import Both, MergeInput
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import Store
from bough_daemon.system.supervisor import Pause, Supervisor
from bough_daemon.system.threads import StoreThread
from bough_daemon.together.crossings import Crossings
from bough_daemon.together.folder import DISPUTED, Attempt, Other, WorktreeFolder
from bough_daemon.together.links import guests_of, host_of
from bough_daemon.together.stay_fold import StayFold
from bough_daemon.together.stays import Stays
from bough_daemon.together.tree_fold import Undecided
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import Disturbed
from bough_daemon.transaction.transaction import journal_of

log = logging.getLogger(__name__)

WORK = "folding"
HOST_PATIENCE = 1.0  # seconds that a guest who goes waits for the host to take the last save
LOOK_PATIENCE = 3.0  # seconds that sharing a snapshot waits for a look at it
TRIES = 8  # of one fold, while snapshots come and the engine decides
DISTURBED_PAUSE = 0.03  # seconds before a fold is tried again that met a save
STAY_PAUSE = 3.0  # seconds between looks whether a Git branch that one stays on has moved: nothing tells of it
HELD_PAUSE = 2.0  # seconds before it is tried again where something of Git's, or a conflict, is in the way
APART_PAUSE, MOST_APART_PAUSE = 5.0, 60.0  # seconds before two whose files differ are folded once more, all the same
MOST_DETACHED = 100  # files that are named
ENGINE_BYTES = 8_000_000  # of one version of a file that is given to the merge engine


@dataclass(frozen=True)
class Surroundings:
    """What folding needs of the repository that it is in.

    `live`: a working tree as commands see it. `tips`: the newest shared tip of every live branch here, by its name.
    `merge`: the merge engine, and `warm_up`, which loads it beside everything else: it takes seconds on a busy machine.
    `refuses`: whether guests' edits are refused on this machine.
    """

    live: Callable[[Recorder], LiveWorktree]
    tips: Callable[[], Mapping[str, str]]
    merge: Both
    warm_up: Callable[[], None]
    refuses: Callable[[], bool]


@dataclass
class _Seat:
    """One working tree. `wake`: something has happened; `moved`: the same, for those who wait for it.

    `held`: why nothing is folded from a branch for now. `journal`: what was read of it last. `looked_at`: the tips of
    those that it is with, and its own, that were folded last, and from when on (monotonic) they are folded once more
    while the files differ. `warm`: the merge engine was loaded for it.
    """

    session: Recorder
    folder: WorktreeFolder
    stays: Stays
    stay: StayFold
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[str, str] = field(default_factory=dict)
    warm: bool = False
    looked_at: tuple[object, float] = (None, 0.0)
    apart: Pause = field(default_factory=lambda: Pause(APART_PAUSE, MOST_APART_PAUSE))
    journal: tuple[object, tuple[bool, bool]] = (None, (False, False))
    task: asyncio.Task[None] | None = None
    retry: asyncio.TimerHandle | None = None


@dataclass(frozen=True)
class Standing:
    """Who is together with one branch. `host`: whose guest it is, empty for none."""

    host: str
    guests: list[str]


@dataclass(frozen=True)
class TogetherReport:
    """What a person should know. `paused`: (branch, path, why). `held`: (branch, why nothing of it is folded).

    `detached`: files that were edited here while a branch is followed.
    """

    host: str
    guests: tuple[str, ...]
    paused: tuple[tuple[str, str, str], ...]
    held: tuple[tuple[str, str], ...]
    detached: tuple[str, ...] = ()


class Together:
    """Keeps the branches of a repository folded into one another. On the event loop."""

    def __init__(self, store: Store, owner: StoreThread, background: Supervisor, around: Surroundings) -> None:
        self._store = store
        self._owner = owner
        self._background = background
        self._around = around
        self._crossings = Crossings(store)
        self._seats: dict[str, _Seat] = {}
        self._hosts: dict[str, tuple[str, str]] = {}  # by branch: the tip that was looked at, and whose guest it is

    def begin(self, session: Recorder) -> None:
        """Keep a working tree together with those that it is with."""
        folder = WorktreeFolder(session, self._around.live(session), self._crossings)
        stays = Stays(self._store.folder, session.worktree)
        seat = _Seat(session, folder, stays, StayFold(folder, self._around.merge))
        self._seats[session.worktree.root] = seat
        seat.task = self._background.keep(WORK, lambda: self._run(seat))
        seat.wake.set()

    async def end(self, root: str) -> None:
        """Leave a working tree alone; what is being folded comes to its end."""
        seat = self._seats.pop(root, None)
        if seat is None:
            return
        if seat.retry is not None:
            seat.retry.cancel()
        if seat.task is not None:
            seat.task.cancel()
            await asyncio.wait([seat.task])

    def wake(self) -> None:
        """Look at what there is to fold: a branch has moved, or a setting has changed."""
        for seat in self._seats.values():
            seat.wake.set()
            seat.moved.set()

    async def until_taken(self, session: Recorder) -> None:
        """Save, and wait a moment for a host who is connected to take what this guest has saved."""
        seat = self._seats.get(session.worktree.root)
        if seat is None or session.branch.tip is None or not session.branch.tip.company.guest_of:
            return
        await session.save()
        with suppress(TimeoutError):
            async with asyncio.timeout(HOST_PATIENCE):
                seat.moved.clear()
                while not await self._owner.run(self._is_taken, seat):
                    await seat.moved.wait()
                    seat.moved.clear()

    def _is_taken(self, seat: _Seat) -> bool:
        """Return whether a host has what their guest has saved, or cannot be expected to."""
        mine = seat.session.branch.tip
        host = seat.folder.live.teammate(mine.company.guest_of) if mine is not None else None
        theirs = read_snapshot(self._store.objects, host.tip) if host is not None else None
        if mine is None or host is None or theirs is None or not host.connected or theirs.company.refuses:
            return True
        has_nothing_new = self._store.objects.commit(mine.shared).tree == theirs.tree
        return has_nothing_new or theirs.company.folded.get(seat.session.branch.name) == mine.shared

    async def look(self, root: str) -> None:
        """See that the newest snapshot was not written over a fold by someone who had not read it."""
        seat = self._seats.get(root)
        if seat is not None and seat.folder.recent and not seat.session.is_acting:
            looking = self._background.begin(WORK, partial(self._until_repaired, seat))
            # A command may have begun: what comes of the look is told when it has ended.
            await asyncio.wait({looking}, timeout=LOOK_PATIENCE)

    async def _until_repaired(self, seat: _Seat) -> None:
        """Repair the newest snapshot, or a newer one: what lacks a fold would take it from everyone."""
        end = time.monotonic() + LOOK_PATIENCE
        while not await self._repair(seat):
            await asyncio.sleep(DISTURBED_PAUSE)
            if time.monotonic() >= end:
                return

    async def _run(self, seat: _Seat) -> None:
        while True:
            await seat.wake.wait()
            seat.wake.clear()
            try:
                await self._repair(seat)
                tip, refuses = seat.session.branch.tip, self._around.refuses()
                if tip is not None and (refuses or tip.company.refuses):
                    await self._refuse(seat)
                others = await self._owner.run(self._others, seat)
                if others and not seat.warm:
                    seat.warm = True
                    self._around.warm_up()
                await self._fold_all(seat, others)
                await self._stay(seat)
            except BaseException:
                seat.wake.set()  # for the next start
                raise

    # Branches that it stays on.

    def stays(self, session: Recorder) -> list[StayedBranch]:
        """Return the branches that a working tree stays on."""
        seat = self._seats.get(session.worktree.root)
        if seat is None:
            return []
        held, waits = seat.stay.held, seat.stay.waits
        return [
            StayedBranch(name, held.get(name, ""), solid, waits.get(name, ""))
            for name, solid in seat.stays.all().items()
        ]

    async def stay(self, session: Recorder, name: str, *, stop: bool, solid: bool = False) -> None:
        """Stay on a branch, or on it no longer (an empty name: on none); raise UnknownMember, OwnBranch or NoStay.

        `solid`: only on what its member marks as solid.
        """
        seat = self._seats[session.worktree.root]
        if stop:
            seat.stays.stop(name)
            seat.stay.held.clear()
        elif name:
            await self._owner.run(_check_branch, seat.folder.live, name, solid)
            seat.stays.add(name, solid=solid)
            seat.stay = StayFold(seat.folder, self._around.merge)
            await self._stay(seat)

    async def _stay(self, seat: _Seat) -> None:
        """Fold the branches that a working tree stays on."""
        stays = seat.stays.all()
        if not stays or (await self._owner.run(self._journal, seat))[0]:
            return
        for name, solid in stays.items():
            try:
                made = await seat.stay.fold(name, solid=solid)
            except Disturbed:
                self._try_again(seat, DISTURBED_PAUSE)
                continue
            if made is not None:
                seat.session.announce()
        self._try_again(seat, STAY_PAUSE)

    # Who is with whom.

    def standing(self, session: Recorder) -> Standing:
        """Return who is together with a working tree's branch. On the store's thread."""
        hosts, me = self._all_hosts(), session.branch.name
        return Standing(host_of(me, hosts), guests_of(me, hosts))

    def _all_hosts(self) -> dict[str, str]:
        """Return whose guest each branch says to be."""
        found: dict[str, str] = {}
        for branch, tip in self._around.tips().items():
            known = self._hosts.get(branch)
            if known is None or known[0] != tip:
                snapshot = read_snapshot(self._store.objects, tip) if self._store.objects.exists(tip) else None
                known = self._hosts[branch] = tip, snapshot.company.guest_of if snapshot is not None else ""
            if known[1]:
                found[branch] = known[1]
        return found

    def _others(self, seat: _Seat) -> list[Other]:
        """Return those whose edits fold into a working tree, the host first."""
        live, tips, me = seat.folder.live, self._around.tips(), seat.session.branch
        cut_short, follows = self._journal(seat)
        if me.tip is None or cut_short:
            return []
        standing = self.standing(seat.session)
        found = [Other(standing.host, tips[standing.host], "host")] if standing.host in tips else []
        if not self._around.refuses():
            found += [Other(name, tips[name], "guest") for name in standing.guests if name in tips]
        hop = hop_now(live) if follows else None
        if hop is not None and hop.name in tips and hop.name not in standing.guests:
            found += self._followed(live, hop)
        return found

    def _followed(self, live: LiveWorktree, hop: Hop) -> list[Other]:
        """Return the state of a branch that is followed; none where there is no solid one, and only these are."""
        theirs = live.teammate(hop.name)
        if theirs is None:
            return []
        with suppress(NothingSolid):
            theirs = solid_state(live, theirs) if hop.kind == "solid" else theirs
            return [Other(hop.name, theirs.tip, "followed")]
        return []

    def _journal(self, seat: _Seat) -> tuple[bool, bool]:
        """Return whether a command was cut short, and whether a branch is followed; read where the journal changed."""
        journal = journal_of(seat.folder.live)
        try:
            status = os.stat(journal.path)
        except FileNotFoundError:
            return False, False
        state = status.st_mtime_ns, status.st_size, status.st_ino
        if seat.journal[0] != state:
            hop = journal.hop()
            seat.journal = state, (journal.interrupted() is not None, hop is not None and hop.follows)
        return seat.journal[1]

    def report(self, session: Recorder) -> TogetherReport:
        """Return what a person should know of whom a working tree is together with. On the store's thread."""
        seat, tip = self._seats.get(session.worktree.root), session.branch.tip
        standing = self.standing(session)
        names = [*([standing.host] if standing.host else []), *standing.guests]
        paused: list[tuple[str, str, str]] = []
        for name in names:
            why = dict(seat.folder.reasons.get(name, {})) if seat is not None else {}
            told = dict.fromkeys(tip.company.paused.get(name, ()), DISPUTED) if tip is not None else {}
            told |= dict.fromkeys(self._paused_by(name, session.branch.name), DISPUTED)
            paused += [(name, path, why.get(path, reason)) for path, reason in sorted(told.items())]
        held = [(name, reason) for name, reason in sorted(seat.held.items())] if seat is not None else []
        detached = self._detached(seat) if seat is not None else ()
        return TogetherReport(standing.host, tuple(standing.guests), tuple(paused), tuple(held), detached)

    def _detached(self, seat: _Seat) -> tuple[str, ...]:
        """Return the files that were edited here while a branch is followed."""
        hop, mine, objects = hop_now(seat.folder.live), seat.session.branch.tip, self._store.objects
        seen = mine.company.folded.get(hop.name) if hop is not None and mine is not None else None
        if hop is None or mine is None or seen is None or not hop.follows or not objects.exists(seen):
            return ()
        return tuple(objects.some_difference(objects.commit(seen).tree, mine.tree, MOST_DETACHED)[0])

    def _paused_by(self, name: str, me: str) -> frozenset[str]:
        """Return the paths that the other side says to be paused with me."""
        tip = self._around.tips().get(name)
        snapshot = read_snapshot(self._store.objects, tip) if tip is not None else None
        return snapshot.company.paused.get(me, frozenset()) if snapshot is not None else frozenset()

    # Folding.

    async def _refuse(self, seat: _Seat) -> None:
        """Say to guests that nothing of theirs is folded here, or that it is again."""

        def say() -> bool:
            branch, tip = seat.session.branch, seat.session.branch.tip
            refuses = self._around.refuses()
            if tip is None or tip.company.refuses == refuses or not (tip.company.refuses or self._has_guests(seat)):
                return False
            branch.record(tip.tree, tip.base, "guests", company=replace(tip.company, refuses=refuses))
            return True

        if await self._owner.run(say):
            seat.session.announce()

    def _has_guests(self, seat: _Seat) -> bool:
        return bool(self.standing(seat.session).guests)

    async def _fold_all(self, seat: _Seat, others: list[Other]) -> None:
        """Fold each of some branches, and see to it that this is tried again where they stay apart."""
        present = {one.branch for one in others}
        for other in others:
            await self._fold_or_note(seat, other, present)
        for name in seat.held.keys() - present:
            del seat.held[name]
        apart = await self._owner.run(self._are_apart, seat, others)
        if apart:
            self._look_again(seat, others)

    async def _fold_or_note(self, seat: _Seat, other: Other, present: set[str]) -> None:
        """Fold a branch; where that fails it is tried again soon, and the others are folded meanwhile."""
        try:
            await self._fold(seat, other, present)
        except Exception as failure:
            self._background.note(WORK, failure)
            self._try_again(seat, APART_PAUSE)

    def _are_apart(self, seat: _Seat, others: list[Other]) -> bool:
        """Return whether the files differ from those of somebody whom they should be alike with."""
        mine, objects = seat.session.branch.tip, self._store.objects
        tips = (other.tip for other in others if other.role != "followed" and objects.exists(other.tip))
        trees = {objects.commit(tip).tree for tip in tips}
        return mine is not None and bool(trees - {objects.commit(mine.shared).tree})

    def _look_again(self, seat: _Seat, others: list[Other]) -> None:
        """Fold once more, from the beginning, what has been apart for a while though nothing is left to fold."""
        now, mine = time.monotonic(), seat.session.branch.tip
        tips = mine.oid if mine is not None else "", *(other.tip for other in others)
        if tips != seat.looked_at[0]:
            seat.apart = Pause(APART_PAUSE, MOST_APART_PAUSE)
        elif now < seat.looked_at[1]:
            self._try_again(seat, seat.looked_at[1] - now)
            return
        else:
            seat.folder.forget_settled()
            seat.wake.set()
        wait = seat.apart.after(0.0)
        seat.looked_at = tips, now + wait
        self._try_again(seat, wait)

    async def _fold(self, seat: _Seat, other: Other, present: set[str]) -> None:
        for _ in range(TRIES):
            async with seat.session.without_commands():
                attempt = await self._owner.run(seat.folder.fold, other, present, refuses=self._around.refuses())
            if attempt.undecided:
                await self._decide(attempt.undecided)
            elif attempt.again:
                seat.session.announce()
            else:
                break
        self._note(seat, other, attempt)

    def _note(self, seat: _Seat, other: Other, attempt: Attempt) -> None:
        if attempt.held:
            seat.held[other.branch] = attempt.held
        else:
            seat.held.pop(other.branch, None)
        if attempt.disturbed or attempt.held or attempt.undecided:
            self._try_again(seat, DISTURBED_PAUSE if attempt.disturbed else HELD_PAUSE)
        if attempt.made is not None:
            if attempt.made.company.paused:
                self._try_again(seat, HELD_PAUSE)
            seat.session.announce()

    def _try_again(self, seat: _Seat, wait: float) -> None:
        loop = asyncio.get_running_loop()
        if seat.retry is None or not loop.time() < seat.retry.when() <= loop.time() + wait:
            seat.retry = loop.call_later(wait, seat.wake.set)

    async def _repair(self, seat: _Seat) -> bool:
        """Repair a save that has not seen a fold; return False while that file is being saved again."""
        if not seat.folder.recent:
            return True
        try:
            async with seat.session.without_commands():
                await self._owner.run(seat.folder.repair)
        except Disturbed:
            self._try_again(seat, DISTURBED_PAUSE)
            return False
        except (BoughError, OSError) as failure:  # nothing is kept from the team for that
            self._background.note(WORK, failure)
            self._try_again(seat, HELD_PAUSE)
        finally:
            seat.session.announce()
        return True

    async def _decide(self, undecided: tuple[Undecided, ...]) -> None:
        """Have the merge engine decide what lines alone do not."""
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
    """Raise UnknownMember if a name means no branch here, OwnBranch for the user's own. On the store's thread."""
    mine = live.branch.tip
    if name == live.branch.name:
        raise OwnBranch(f"{name} is your own branch", name=name)
    if mine is not None:
        with suppress(NothingSolid):  # there may be one later
            known_source(live, name, mine, solid=solid)


def _sides(objects: Objects, undecided: tuple[Undecided, ...]) -> MergeInput:
    """Return three versions of files; what is too large for the engine is left out."""
    sides = MergeInput()
    for one in undecided:
        if all(entry is None or objects.size(entry.oid) <= ENGINE_BYTES for entry in one.three):
            sides.entries[one.path] = one.three
            for entry, versions in zip(one.three, (sides.base, sides.ours, sides.theirs), strict=True):
                if entry is not None:
                    versions[one.path] = objects.blob(entry.oid)
    return sides
