"""One live repository: its store, its team, and a session for each of its live working trees."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, takewhile

from msgspec import structs

from bough_daemon.agents.agent_list import AgentList
from bough_daemon.api.notices import KeptAside, MuchRemoved, Notice, OtherVersion
from bough_daemon.api.records import (
    Event,
    HeldFold,
    Invited,
    Joined,
    LandedStatus,
    Log,
    LogEntry,
    PausedFile,
    PurgeList,
    PurgeOrder,
    PurgeTold,
    Refusal,
    Saved,
    SharingState,
    Status,
    StayedBranch,
    TeammateStatus,
    Withheld,
    WorktreeStatus,
)
from bough_daemon.api.settings import read_settings
from bough_daemon.commands.command_set import CommandSet
from bough_daemon.commands.hop import hop_now, notice_switch
from bough_daemon.control.maintenance import Maintenance, finish_thinning
from bough_daemon.control.purger import Purger
from bough_daemon.control.seen_branches import (
    MOST_AHEAD,
    MOST_FILES,
    ChangedFiles,
    Compared,
    Merges,
    SeenBranches,
    changed_files,
    looked_at,
    merged_of,
)
from bough_daemon.control.talker import Talker
from bough_daemon.control.unlanded import Comparison, Unlanded
from bough_daemon.errors import (
    BadSetting,
    BoughError,
    GitFailed,
    GitHangs,
    NameTaken,
    NoCommitYet,
    NothingShared,
    UnknownMember,
)
from bough_daemon.git.objects import Objects
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.branches import Branch, carry_over
from bough_daemon.history.company import FOLD
from bough_daemon.history.journal import Hop
from bough_daemon.history.mass_removals import MassRemovals
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.home import Home
from bough_daemon.merging.merge_workers import MergeWorkers
from bough_daemon.purging.removal import finish
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.fsck import named_object, where_committed
from bough_daemon.store.gathering import gather, tidy
from bough_daemon.store.own_commits import OwnCommits
from bough_daemon.store.quota import Quota
from bough_daemon.store.store import LIVE, Store
from bough_daemon.sync import team_sync
from bough_daemon.sync.clones import Listeners, Seat
from bough_daemon.sync.listener import PeerListener
from bough_daemon.sync.team_sync import KeptTeam, TeamSync
from bough_daemon.system.durable import write_whole
from bough_daemon.system.failing import Failing
from bough_daemon.system.json_records import as_json, read_record
from bough_daemon.system.opened import Opened, held
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.team.branch_state import KnownBranch, branch_owner
from bough_daemon.team.invites import VALID_MS
from bough_daemon.team.names import MOST_NAMES, further_names
from bough_daemon.team.tickets import Ticket
from bough_daemon.together import unrecorded_fold
from bough_daemon.together.folding import Surroundings
from bough_daemon.together.guest_removals import REST, GuestRemovals
from bough_daemon.together.guest_rules import GuestRules
from bough_daemon.together.together import Together
from bough_daemon.transaction import rescued_saves
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.replaced_files import ReplacedFiles
from bough_daemon.transaction.terminal import Terminal
from bough_daemon.transaction.transaction import journal_of, recover

log = logging.getLogger(__name__)

STATUS_PATIENCE = 1.5  # seconds that a status waits for the store's thread
MOST_TOLD = 256  # branches whose changed files are remembered
MEASURE_EVERY = 300.0  # seconds between measurements of the store's size
GROWN = 1.25  # growth since everything was packed, before that is done again
HUB = "hub"  # the name of a hub if its user does not choose one
LOADING = "loading the merge engine"
SUBSCRIBER_LIMIT = 256  # events kept for a slow reader; beyond these the oldest are dropped


class Outbox:
    """The newest snapshot of one live branch that the team does not know yet."""

    def __init__(self) -> None:
        self.newest: Snapshot | None = None
        self.filled = asyncio.Event()

    def put(self, snapshot: Snapshot) -> None:
        """Queue a snapshot for the team, replacing an older one."""
        self.newest = snapshot
        self.filled.set()


@dataclass(frozen=True)
class Where:
    """Where teammates can connect, as given to a command.

    `listen`: empty: the current addresses, else every interface. `advertise`: further addresses to tell them; None:
    keep the previous ones.
    """

    listen: str = ""
    advertise: str | None = None

    def advertise_from(self, listener: PeerListener) -> None:
        """Have a listener advertise the addresses, if any; raise BadUsage if one cannot be connected to."""
        if self.advertise is not None:
            listener.advertise(self.advertise)


@dataclass(frozen=True)
class RepositoryCallbacks:
    """The callbacks of a repository to the daemon.

    `gone`: a working tree, by its top folder, was removed or moved. `again`: its recording has restarted.
    """

    gone: Callable[[str], None]
    again: Callable[[Repository, Recorder], Awaitable[None]]


class Repository:
    """What all live working trees of one repository share; created by `open`.

    `sessions`: by the top folder of the working tree. `sync`: the team.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        owner: StoreThread,
        listeners: Listeners,
        workers: MergeWorkers,
        callbacks: RepositoryCallbacks,
        quota: Quota,
        sync: Callable[[Callable[[team_sync.TeamEvent], None]], TeamSync],
    ) -> None:
        self._home = home
        self.store = store
        self.agents = AgentList(store.folder)
        self.owner = owner
        self.sessions: dict[str, Recorder] = {}
        self.quota = quota
        self._listeners = listeners
        self._workers = workers
        self._callbacks = callbacks
        self._recording: dict[str, AsyncExitStack] = {}  # what ends the recording of a working tree
        self._subscribers: set[asyncio.Queue[Event]] = set()
        self._outboxes: dict[str, Outbox] = {}
        self._publishing: dict[str, asyncio.Task[None]] = {}
        self._untold: dict[tuple[str, str], team_sync.TeamEvent] = {}
        self._tell_soon = asyncio.Event()
        self._answered = asyncio.Event()
        self._ended: dict[str, LiveBranch] = {}  # this member's branches that are no longer recorded
        self._told: dict[str, Status] = {}  # the last status of each working tree
        self._committed: dict[str, str | None] = {}  # where objects that teammates refused entered the history
        self._mass_removals: dict[str, MassRemovals] = {}
        self._files_told: dict[Compared, ChangedFiles] = {}  # changed on the store's thread
        self._merged: dict[Merges, int | None] = {}  # snapshots since a merge; changed on the event loop
        self._background = Supervisor()
        self._replaced = ReplacedFiles(store)
        self._unlanded = Unlanded(store, self._background)
        self._purging = asyncio.Lock()
        self.sync = sync(self._on_team_event)
        self.talker = Talker(store, owner, self.sync)
        self._guest_removals = GuestRemovals(store.objects)
        self._guests = GuestRules(store.folder, self._key_of, self._is_mine)
        around = Surroundings(self.live, self._tips, workers.merge, self.warm_up, self._guests)
        self.together = Together(store, owner, self._background, around)
        self.follow_settings()
        self.maintenance = Maintenance(home, store, owner, self.sync, self.sessions)
        self._purger = Purger(store, owner, self.sync, self.sessions, self._restart)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Home,
        listeners: Listeners,
        workers: MergeWorkers,
        callbacks: RepositoryCallbacks,
        common_dir: str,
        wished: str,
        *,
        is_hub: bool = False,
    ) -> AsyncIterator[Repository]:
        """Open the store of a repository and connect with its team, until the end of the block.

        Raise StoreOwned while another daemon has it. `wished`: the member's name if the repository is in no team yet.
        `is_hub`: the repository is a hub's, without a working tree.
        """
        async with Opened() as opened:
            owner = StoreThread("store")
            opened.callback(owner.close)
            making = owner.run(Store, common_dir, home.root)
            store = await opened.enter_async_context(held(making, lambda made: owner.run(made.close)))
            await owner.run(finish_thinning, store, home)
            purge_failure = await owner.run(_finish_purge, store)
            listener = await listeners.of(store)
            quota = Quota.of_home(store.objects.folder, home)
            kept = await KeptTeam.of(listener.home, store, owner, listener.identity, wished)

            def sync(told: Callable[[team_sync.TeamEvent], None]) -> TeamSync:
                return TeamSync(listener.home, store, owner, listener, wished, told, kept, quota=quota, is_hub=is_hub)

            repository = cls(home, store, owner, listeners, workers, callbacks, quota, sync)
            repository._ended = await owner.run(repository._ended_branches)
            if purge_failure is not None:
                repository._background.note("finishing a purge", purge_failure)
            await opened.enter_async_context(repository.sync.running())
            opened.push_async_callback(repository._background.close)
            opened.push_async_callback(repository._stop_recording)
            repository._background.keep("following teammates", repository._tell_of_tips)
            repository._background.keep("keeping the store within its limit", repository._keep_within_room)
            repository._background.keep("removing replaced files", repository._replaced.run)
            repository._background.keep("letting old snapshots go", repository.maintenance.run)
            repository._background.keep("purging what teammates ask for", repository._purger.follow)
            yield repository

    @property
    def member(self) -> str:
        """Return this member's name in the team."""
        return self.sync.member

    async def add(self, worktree: Worktree) -> Recorder:
        """Make a working tree live and return its session, started."""
        async with self._purging:
            known = self.sessions.get(worktree.root)
            return known if known is not None else await self._add(worktree)

    async def _add(self, worktree: Worktree) -> Recorder:
        member = self.member
        await self.owner.run(self._carry_over)
        name = await self.owner.run(self._branch_name, worktree, member, self.sync.roster.names)
        commits = await to_the_end(asyncio.to_thread(_checked_commits, self.store, worktree))
        branch = await self.owner.run(Branch, self.store, name, worktree.author(), commits)
        async with Opened() as opened:
            gone = partial(self._callbacks.gone, worktree.root)
            recording = Recorder.open(
                worktree, self.store, self.owner, branch, self._on_snapshot, gone, before=self._recover
            )
            session = await opened.enter_async_context(recording)
            # At once: a save from before this start may be missing a fold, and is shared only after that was checked.
            opened.push_async_callback(self.together.end, worktree.root)
            self.together.begin(session)
            self._told[worktree.root] = await self._full_status(session)
            self.sessions[worktree.root] = session
            self._recording[worktree.root] = opened.pop_all()
        if self.member != member:  # renamed meanwhile
            await self._rename()
            self._publish_all()
        return session

    def _recover(self, session: Recorder) -> None:
        self._begin_for_agent(session)
        live = self.live(session)
        recovered = recover(live)
        if recovered.interrupted is None:
            unrecorded_fold.reverse(live)
        if recovered.kept is not None:  # `status` names each file, with the command that restores it
            log.warning("what was saved while a command was killed is kept as %s", recovered.kept)

    def _begin_for_agent(self, session: Recorder) -> None:
        """Let the live branch of an agent's new working tree continue from the snapshot that it was created from.

        One that was in its place before may have ended in a hop: that is over.
        """
        agent = next((one for one in self.agents.all().values() if one.root == session.worktree.root), None)
        if agent is None or agent.has_begun:
            return
        journal = journal_of(self.live(session))
        broken = journal.interrupted()
        if broken is not None:
            journal.drop(broken)
        if journal.hop() is not None:
            journal.end_hop()
        origin = read_snapshot(self.store.objects, agent.origin) if self.store.objects.exists(agent.origin) else None
        if origin is not None:
            session.branch.record(
                *(origin.tree, origin.base, f"agent {agent.name}"), onto=origin.oid, company=origin.company.left()
            )
        self.agents.put(replace(agent, has_begun=True))

    async def remove(self, root: str) -> None:
        """Stop recording a working tree."""
        self._told.pop(root, None)
        self._mass_removals.pop(root, None)
        tip, name = self.sessions[root].branch.tip, self.sessions[root].branch.name
        if tip is not None:
            self._ended[name] = LiveBranch(name, tip.shared, tip.shared_base)
        del self.sessions[root]
        await self._recording.pop(root).aclose()

    async def _stop_recording(self) -> None:
        async with self._purging:
            for root in list(self.sessions):
                await self.remove(root)

    async def _restart(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something while nothing is recorded, sent or received, and no command changes files; then resume."""
        async with AsyncExitStack() as held:
            for session in list(self.sessions.values()):
                await held.enter_async_context(session.without_commands())
            for lock in (self.store.gathering, self._purging):  # what is being packed may also be purged
                await held.enter_async_context(lock)
            sessions = dict(self.sessions)
            for branch in list(self._outboxes):
                self._stop_publishing(branch)
            for root in sessions:
                await self.remove(root)
            try:
                async with self.sync.paused():
                    await work()
            finally:
                for session in sessions.values():
                    await self._begin_again(session.worktree)

    async def _begin_again(self, worktree: Worktree) -> None:
        """Record a working tree again; if that fails, the next command there resumes it."""
        try:
            tree = await asyncio.to_thread(Worktree.find, worktree.root, worktree.user)
            await self._callbacks.again(self, await self._add(tree))
        except (BoughError, OSError) as failure:
            self._background.note(f"recording {worktree.root} again", failure)

    # Requests of the user.

    async def purge(self, session: Recorder, order: PurgeOrder) -> PurgeTold:
        """Remove contents from every snapshot here and ask the team to do so, or report what would go."""
        return await self._purger.purge(session, order)

    async def purges(self) -> PurgeList:
        """Return all known purges."""
        return PurgeList(self._purger.entries())

    async def status(self, session: Recorder) -> Status:
        """Return the status of a working tree and its teammates; the last known one while a git child blocks it."""
        asked = asyncio.ensure_future(self._full_status(session))
        try:
            await asyncio.wait({asked}, timeout=STATUS_PATIENCE)
            held_up, last = session.held_up(), self._told.get(session.worktree.root)
            if not asked.done() and held_up and last is not None:
                state = f"recording waits for {held_up}; everything else works"
                return structs.replace(last, state=state, failure=GitHangs.__name__, facts={}, failing=[*last.failing])
            told = self._told[session.worktree.root] = await asked
            return structs.replace(told, failing=[*told.failing])
        finally:
            asked.cancel()

    async def _full_status(self, session: Recorder) -> Status:
        # An unfinished command that waits for the user's hook has moved HEAD for it.
        if not session.is_acting and await notice_switch(self.live(session)) is not None:
            session.announce()
        teammates = self.sync.teammates()
        seen = await self._look_at(session.branch.tip, teammates)
        told, found = await self.owner.run(self._status, session, teammates, seen)
        if found is not None:
            await self._compare_with_shared_branch(told, found, teammates)
        told.landed = [LandedStatus(one.branch, one.commit, one.member, one.time / 1e3) for one in self.sync.landed()]
        told.failing = [*session.failing(), *self.failing()]
        told.notices += [
            KeptAside(one.branch, one.name, one.name == self.member)
            for one in self.sync.asides()
            if not await self._is_taken_in(one)
        ]
        told.notices += self.quota.notices()
        told.notices += self._purger.notices()
        told.notices += self.sync.notices()
        told.notices += map(OtherVersion, self.sync.reach.other_versions())
        told.listening = self.sync.listening()
        told.comments, told.new_comments = self.talker.counted({session.branch.name})
        told.solid = self.talker.solid(session.branch.name)
        told.out, told.out_at = self.sync.why_out(), self.sync.out_at()
        told.copies = self.sync.copies() if told.out else []
        told.sharing_paused_at = self.sync.paused_since
        if self.sync.doubled and told.state == "live":
            told.state = f"live, but nothing is shared from this machine: {self._doubled()}"
        refusals = self.sync.refusals_of(session.branch.name)
        for teammate in told.teammates:
            teammate.hub = self.sync.is_hub(teammate.name)
            teammate.solid = self.talker.solid(teammate.branch)
            teammate.refused = self._explained(refusals.get(teammate.name, ""), teammate.name)
            way = self.sync.reach.way_to(teammate.name)
            teammate.through, teammate.offline_since = way.through, way.offline_since
            teammate.unreachable, teammate.remedy = way.unreachable, way.remedy
            teammate.sharing_paused_at = self.sync.paused_at(teammate.name)
        return told

    def failing(self) -> list[Failing]:
        """Return the failures of the background work for all working trees."""
        return [*self._background.failing(), *self.sync.failing()]

    def _doubled(self) -> str:
        name = self.member
        return (
            f"another machine is {name} too, with a copy of this repository and its keys; "
            f"on one of the two run `bough join TICKET --as {name}+MACHINE`, with a ticket of a teammate's"
        )

    def _status(
        self, session: Recorder, teammates: list[KnownBranch], seen: SeenBranches
    ) -> tuple[Status, Comparison | None]:
        tip, objects = session.branch.tip, self.store.objects
        assert tip is not None
        while len(self._files_told) > MOST_TOLD:
            del self._files_told[next(iter(self._files_told))]
        self._files_told |= seen.files
        mates = [self._teammate_status(one, session.branch.name) for one in teammates]
        withheld = session.withheld()
        live = self.live(session)
        withheld |= rescued_saves.reasons(live, tip.tree)
        broken, hop = journal_of(live).interrupted() if not session.is_acting else None, hop_now(live)
        trouble = session.trouble()
        files, more = self._files(tip.shared_base, tip.shared)
        company = self.together.report(session)
        for mate in mates:
            if hop is not None and mate.branch == hop.name:
                self._compare(mate, hop, tip)
            mate.since_merge = seen.since_merge.get(mate.branch)
        told = Status(
            repository=session.worktree.root,
            member=self.member,
            branch=session.branch.name,
            tip=tip.oid,
            tree=tip.tree,
            shared_tip=tip.shared,
            shared_tree=objects.commit(tip.shared).tree,
            state=f"`{broken.command}` was cut short; `bough undo` reverses it" if broken else session.state(),
            base=tip.base,
            head=(session.head.branch or "").removeprefix("refs/heads/"),
            changed_at=tip.time,
            hopped_to=hop.name if hop is not None else "",
            withheld=[Withheld(path, reason) for path, reason in sorted(withheld.items())],
            teammates=mates,
            files=files,
            more_files=more,
            failure=type(trouble).__name__ if trouble is not None else "",
            facts=trouble.facts if trouble is not None else {},
            hop_kind=_kind_of(hop, tip),
            guests=list(company.guests),
            waiting_guests=list(company.waiting),
            guests_kept_out=list(company.kept_out),
            paused=[PausedFile(*one) for one in company.paused],
            held=[HeldFold(*one) for one in company.held],
            detached=list(company.detached),
            stays=self.stayed(session),
            worktrees=self._worktrees(session),
            operation=tip.operation,
        )
        told.notices += self._much_removed(session, tip)
        with suppress(GitFailed):  # then it is unknown; the rest is reported
            told.conflicts = self._unlanded.conflicts(live)
            candidates = self._unlanded.candidates(live, self.sync.landed())
            if candidates is not None:
                return told, Comparison(candidates, self._states())
        return told, None

    def _much_removed(self, session: Recorder, tip: Snapshot) -> list[Notice]:
        """Return a notice about saves that removed much at once, a short while ago."""
        looking = self._mass_removals.setdefault(session.worktree.root, MassRemovals())
        found = looking.latest(self.store.objects, tip, time.time())
        if found is None:
            return []
        return [MuchRemoved(found.before, found.at, found.files, found.lines, sorted(found.had)[:MOST_FILES])]

    def _states(self) -> dict[str, tuple[str, str]]:
        """Return what each live working tree has, by its root: the commit it is based on, and its files."""
        tips = {root: session.branch.tip for root, session in self.sessions.items()}
        commit = self.store.objects.commit
        return {root: (tip.shared_base, commit(tip.shared).tree) for root, tip in tips.items() if tip is not None}

    async def _compare_with_shared_branch(self, told: Status, what: Comparison, teammates: list[KnownBranch]) -> None:
        """Set what the shared branch lacks of each branch, and what HEAD lacks of the shared branch."""
        unlanded, shared = self._unlanded, await self._unlanded.shared(what.candidates)
        told.shared_branch, told.shared_remote = shared.name, shared.remote
        found = {root: unlanded.would_land(*state, shared, lines=True) for root, state in what.states.items()}
        found |= {
            mate.branch: unlanded.would_land(known.base, mate.tree, shared, known.name)
            for mate, known in zip(told.teammates, teammates, strict=True)
            if known.base is not None and mate.tree
        }
        told.behind, answers = await asyncio.gather(unlanded.behind(told.base, shared), asyncio.gather(*found.values()))
        would = dict(zip(found, answers, strict=True))
        told.would_land = would.get(told.repository)
        for further in told.worktrees:
            further.would_land = would.get(further.repository)
        for mate in told.teammates:
            mate.would_land = would.get(mate.branch)

    def _worktrees(self, here: Recorder) -> list[WorktreeStatus]:
        """Return this member's other working trees, including agents' that are not live now."""
        agents = {agent.root: agent for agent in self.agents.all().values()}
        found = {root: self._worktree(session) for root, session in self.sessions.items() if session is not here}
        for root, agent in agents.items():
            if root != here.worktree.root:
                of = found.setdefault(root, WorktreeStatus(f"{self.member}+{agent.name}", root, False))
                of.agent, of.command, of.runs = agent.name, agent.command, agent.runs
                of.ended, of.code = agent.ended, agent.code
        return sorted(found.values(), key=lambda one: one.branch)

    def _worktree(self, session: Recorder) -> WorktreeStatus:
        tip, root = session.branch.tip, session.worktree.root
        of = WorktreeStatus(session.branch.name, root, session.state() == "live")
        if tip is not None:
            of.tip, of.tree, of.changed_at = tip.oid, tip.tree, tip.time
            of.files, of.more_files = self._files(tip.shared_base, tip.shared)
        hop = hop_now(self.live(session))
        of.hopped_to = hop.name if hop is not None else ""
        return of

    async def _is_taken_in(self, aside: KnownBranch) -> bool:
        """Return whether the branch that a state is kept aside for contains it by now."""
        newest = await self.owner.run(self.store.ref, LIVE + aside.branch.partition("@")[0])
        if newest is None or aside.tip is None:
            return False
        return await self._unlanded.contains(aside.name, aside.tip, newest)

    def _teammate_status(self, one: KnownBranch, me: str) -> TeammateStatus:
        told = TeammateStatus(one.name, one.branch, "", "", one.connected, one.time / 1e3, not_taken=one.not_taken)
        if one.tip is not None and one.base is not None:
            told.tip, told.tree = one.tip, self.store.objects.commit(one.tip).tree
            told.files, told.more_files = self._files(one.base, one.tip)
            snapshot = read_snapshot(self.store.objects, one.tip)
            told.operation = snapshot.operation if snapshot is not None else ""
            told.guest_of = snapshot.company.guest_of if snapshot is not None else ""
            told.guest_rule = snapshot.company.rule_of(me) if snapshot is not None else FOLD
        return told

    def _compare(self, mate: TeammateStatus, hop: Hop, mine: Snapshot) -> None:
        """Set how far a teammate is ahead of the files here."""
        seen = mine.company.folded.get(hop.name, hop.tip)
        newer = islice(timeline(self.store.objects, mate.tip), MOST_AHEAD) if mate.tip else iter(())
        mate.ahead = sum(1 for _ in takewhile(lambda one: one.oid != seen, newer))
        theirs = read_snapshot(self.store.objects, mate.tip) if mate.tip else None
        mate.has_moved = theirs is not None and theirs.base != mine.base

    async def _look_at(self, mine: Snapshot | None, teammates: list[KnownBranch]) -> SeenBranches:
        """Look at teammates' branches where no save waits for it: their files and histories may have any size."""
        there = [(one.branch, one.base, one.tip) for one in teammates if one.base is not None and one.tip is not None]
        pairs = [(base, tip) for _, base, tip in there]
        merged = {branch: (tip, merged_of(mine, branch)) for branch, _, tip in there} if mine is not None else {}
        files = {pair: known for pair in pairs if (known := self._files_told.get(pair)) is not None}
        since = {asked: self._merged[asked] for asked in merged.values() if asked in self._merged}
        new = [pair for pair in pairs if pair not in files], [asked for asked in merged.values() if asked not in since]
        if any(new):
            look = partial(looked_at, Objects(self.store.objects.folder), *new)
            more_files, more = await to_the_end(asyncio.to_thread(look))
            files |= more_files
            since |= more
            if len(self._merged) > MOST_TOLD:
                self._merged.clear()
            self._merged |= more
        return SeenBranches(files, {branch: since[asked] for branch, asked in merged.items()})

    def _files(self, base: str, commit: str) -> ChangedFiles:
        """Return paths in which a commit differs from another, and whether there are more than returned."""
        pair = base, commit
        known = self._files_told.get(pair)
        if known is None:
            known = self._files_told[pair] = changed_files(self.store.objects, [pair])[pair]
        return known

    async def save(self, session: Recorder, wait_for: list[str] | None, patience: float) -> Saved:
        """Take an exact snapshot; wait at most `patience` seconds until teammates hold it (None: all connected)."""
        tip = await session.save()
        teammates = self.sync.teammates()
        wanted = {one.name for one in teammates if one.connected} if wait_for is None else set(wait_for)
        if wanted and self.sync.why_out():
            raise NothingShared(f"nothing is shared from this machine: {self.sync.why_out()}")
        unknown = sorted(wanted - {one.name for one in teammates})
        if unknown:
            raise UnknownMember(f"{unknown[0]} is not in the team", name=unknown[0])
        if wanted:
            self.sync.check_shares()
        if wanted and self.sync.doubled:
            raise NothingShared(f"nothing is shared from this machine: {self._doubled()}")
        if wanted and patience > 0:
            await self.sync.publish(session.branch.name, tip.shared, tip.shared_base)
            self.sync.offer_again(session.branch.name, wanted)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._until_answered(tip.shared, wanted)
        holders, refusals = self.sync.holders(tip.shared), self.sync.refusals(tip.shared)
        refused = [Refusal(name, reason) for name, reason in sorted(refusals.items()) if name not in holders]
        return Saved(tip.oid, tip.tree, tip.shared, sorted(holders), refused)

    async def pause_sharing(self) -> SharingState:
        """Tell the team nothing new until sharing is resumed, even after a restart."""
        already = bool(self.sync.paused_since)
        await self.sync.pause()
        return SharingState(self.sync.paused_since, already)

    async def resume_sharing(self) -> SharingState:
        """Resume sharing, the newest snapshots first."""
        already = not self.sync.paused_since
        await self.sync.resume()
        self._publish_all()
        return SharingState(0.0, already)

    async def _until_answered(self, tip: str, names: set[str]) -> None:
        """Wait until each of these teammates holds a shared tip or has refused it."""
        while not names <= self.sync.holders(tip) | self.sync.refusals(tip).keys():
            self._answered.clear()
            await self._answered.wait()

    async def log(self, session: Recorder, name: str, limit: int) -> Log:
        """Return the newest snapshots of a live branch; raise UnknownMember if there is none of that name."""
        branch = name or session.branch.name
        tip = await self.owner.run(self.store.ref, LIVE + branch)
        if tip is None:
            raise UnknownMember(f"{branch} has no live branch here", name=branch)
        objects = Objects(self.store.objects.folder)
        return Log(branch, await to_the_end(asyncio.to_thread(_entries, objects, tip, limit)))

    async def invite(self, where: Where, expires: float, uses: int) -> Invited:
        """Create a ticket that is valid for `expires` seconds; 0: a day."""
        where.advertise_from(await self._listeners.of(self.store))
        made = await self.sync.invite(where.listen or None, int(expires * 1e3) or VALID_MS, uses)
        return Invited(made.ticket, made.opened, made.invite.id, made.invite.expires / 1e3, made.invite.uses)

    async def join(self, ticket: str, name: str, where: Where) -> Joined:
        """Join the team of a ticket, and rename the live branches here after the member.

        With a ticket of the current team, reconnect with its maker.
        """
        parsed = Ticket.parse(ticket)
        team, folder = parsed.team, os.path.basename(next(iter(self.sessions), self.store.common_dir))
        if self.sync.is_member_of(team) and name in ("", self.member):
            return await self._meet(parsed, where)
        seat = await self._listeners.seat(self.store, team, folder, self.member, name, is_doubled=self.sync.doubled)
        if self.sync.is_hub(self.member) and not name:
            seat = replace(seat, names=[HUB, *(f"{HUB}-{number}" for number in range(2, MOST_NAMES))])
        door = seat.listener.door
        try:
            where.advertise_from(seat.listener)
            opened = await seat.listener.open(where.listen or None)
            await self._join_as(ticket, seat)
        except BaseException:
            await seat.listener.put_back(door)
            await self._listeners.leave(seat)
            raise
        for session in self.sessions.values():
            if session.branch.tip is not None:
                self._on_snapshot(session, session.branch.tip)
        return Joined(self.member, sorted(set(self.sync.roster.members) - {self.member}), seat.other, opened)

    async def _meet(self, ticket: Ticket, where: Where) -> Joined:
        """Connect with the maker of a ticket for the team that this repository is in."""
        listener = await self._listeners.of(self.store)
        where.advertise_from(listener)
        opened = await listener.open(where.listen or None)
        maker, is_connected = await self.sync.reach.meet(ticket)
        others = sorted(set(self.sync.roster.members) - {self.member})
        return Joined(self.member, others, opened=opened, met=maker, connected=is_connected)

    async def _join_as(self, ticket: str, seat: Seat) -> None:
        for name in seat.names[:-1]:
            with suppress(NameTaken):
                await self.sync.join(ticket, name, self._rename, seat.listener, seat.admission(name))
                return
        name = seat.names[-1]
        await self.sync.join(ticket, name, self._rename, seat.listener, seat.admission(name))

    async def rename(self, name: str) -> None:
        """Change this member's name, and that of the live branches here."""
        await self.sync.rename(name, self._rename)
        self._publish_all()

    async def _follow_name(self) -> None:
        """Adopt the name that this member chose on another machine, or before this one was restored."""
        await self.sync.follow_name(self._rename)
        self._publish_all()

    def _publish_all(self) -> None:
        for session in self.sessions.values():
            if session.branch.tip is not None:
                self._on_snapshot(session, session.branch.tip)

    def _carry_over(self) -> None:
        """Rename branches after the member's current name. On the store's thread."""
        for before in self.sync.earlier_names():
            carry_over(self.store, before, self.member)

    async def _rename(self) -> None:
        """Rename the live branches here after the member's current name."""
        members = self.sync.roster.names
        for session in self.sessions.values():
            self._stop_publishing(session.branch.name)
            name = await self.owner.run(self._branch_name, session.worktree, self.member, members)
            await self.owner.run(session.branch.rename, name)
        await self.owner.run(self._carry_over)

    def commands(self, session: Recorder, cwd: str, terminal: Terminal) -> CommandSet:
        """Return the commands that change a working tree's files, typed in the folder `cwd` at a terminal."""
        live = self.live(session, cwd)
        settings = read_settings(self._home)
        notes = bool(settings.value("land.notes"))
        worktrees = settings.text("worktree.folder") or self._home.path("worktrees")
        merge, sync = self._workers.merge, self.sync

        async def save_other(name: str) -> None:
            for other in list(self.sessions.values()):
                if other is not session and other.branch.name == name:
                    await other.save()

        told = sync.landed, sync.publish_landed
        taken = partial(self.together.until_taken, session)
        return CommandSet(live, terminal, merge, *told, self.agents, worktrees, save_other, sync.talk, taken, notes)

    def note_agent(self, name: str, command: str, process: int, code: int | None) -> None:
        """Record that the command of an agent was started (`code` is None) or has ended, and tell every subscriber."""
        if code is None:
            self.agents.begun(name, command, process, time.time())
            self.tell("began", name)
        else:
            self.agents.ended(name, code, time.time())
            self.tell("ended" if code == 0 else f"ended with {code}", name)

    def warm_up(self) -> None:
        """Load the merge engine in the background: it will be needed in a moment."""
        self._background.begin(LOADING, self._load_engine)

    async def _load_engine(self) -> None:
        await to_the_end(asyncio.to_thread(self._workers.warm))
        self._background.recovered(LOADING)

    def live(self, session: Recorder, cwd: str = "") -> LiveWorktree:
        """Return a working tree as commands see it; `cwd`: where the command was typed."""
        named = self._branch_of, cwd, self._solid_tip, self._replaced.discard
        return LiveWorktree(session.worktree, self.store, session.branch, self.owner, session.save, *named)

    def _solid_tip(self, branch: str) -> str:
        solid = self.talker.solid(branch)
        return solid.tip if solid is not None else ""

    def _branch_of(self, name: str) -> LiveBranch | None:
        """Return a live branch by name: a teammate's, or one of this member's, including those of removed trees."""
        for one in (*self.sync.teammates(), *self.sync.asides()):
            if one.branch == name and one.tip is not None and one.base is not None:
                return LiveBranch(name, one.tip, one.base, one.connected)
        for session in self.sessions.values():
            tip = session.branch.tip
            if session.branch.name == name and tip is not None:
                return LiveBranch(name, tip.shared, tip.shared_base)
        return self._ended.get(name)

    def _ended_branches(self) -> dict[str, LiveBranch]:
        """Return this member's live branches as they were last recorded. On the store's thread."""
        found = {}
        for name in self.store.refs(LIVE):
            tip = self.store.ref(LIVE + name) if branch_owner(self.sync.roster, name) == self.member else None
            snapshot = read_snapshot(self.store.objects, tip) if tip is not None else None
            if snapshot is not None:
                found[name] = LiveBranch(name, snapshot.shared, snapshot.shared_base)
        return found

    # Working together.

    def _tips(self) -> dict[str, str]:
        """Return the newest shared tips of all live branches here: of teammates, and of other working trees.

        On the store's thread.
        """
        found = {one.branch: one.tip for one in self.sync.teammates() if one.tip is not None}
        for session in list(self.sessions.values()):
            name, tip = session.branch.name, session.branch.tip
            if tip is not None:
                found[name] = self._guest_removals.newest(name, tip, session.worktree.root).shared
        return found

    def _key_of(self, branch: str) -> str:
        """Return the key of the member whose branch this is, in hexadecimal; empty if they are not in the team."""
        roster = self.sync.roster
        owner = roster.members.get(branch_owner(roster, branch))
        return owner.key.hex() if owner is not None else ""

    def _is_mine(self, branch: str) -> bool:
        return branch_owner(self.sync.roster, branch) == self.member

    def stayed(self, session: Recorder) -> list[StayedBranch]:
        """Return the branches that are kept folded into the files of a working tree."""
        return self.together.stays(session)

    def follow_settings(self) -> None:
        """Apply the settings for working together; those that cannot be read are unchanged."""
        with suppress(BadSetting):
            self._guests.setting = read_settings(self._home).text("together.guests")
        self.together.wake()

    # Events.

    def teammates(self) -> list[KnownBranch]:
        """Return the live branches of teammates."""
        return self.sync.teammates()

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Event]]:
        """Yield a queue that gets every event until the end of the block; a slow reader loses the oldest events."""
        events: asyncio.Queue[Event] = asyncio.Queue(SUBSCRIBER_LIMIT)
        self._subscribers.add(events)
        try:
            yield events
        finally:
            self._subscribers.discard(events)

    def tell(self, event: str, member: str, tip: str = "", tree: str = "", about: str = "") -> None:
        """Send an event to every subscriber."""
        for events in self._subscribers:
            if events.full():
                events.get_nowait()
            events.put_nowait(Event(time.time(), event, member, tip, tree, about))

    def _on_snapshot(self, session: Recorder, snapshot: Snapshot) -> None:
        self.tell(_word(snapshot.event), session.branch.name, snapshot.oid, snapshot.tree)
        branch = session.branch.name
        if branch not in self._outboxes:
            outbox = self._outboxes[branch] = Outbox()
            root = session.worktree.root
            self._publishing[branch] = self._background.keep("sharing", partial(self._publish, branch, root, outbox))
        self._outboxes[branch].put(snapshot)
        self.together.wake()

    async def _publish(self, branch: str, root: str, outbox: Outbox) -> None:
        """Tell the team about a branch's newest snapshot; one that was superseded meanwhile is skipped."""
        while True:
            checked = await self.together.look(root)
            snapshot = checked if outbox.newest is not None and checked is not None else outbox.newest
            if snapshot is not None:
                passed = await self.owner.run(self._guest_removals.newest, branch, snapshot, root)
                if passed.oid == snapshot.oid:
                    await self.sync.publish(branch, snapshot.shared, snapshot.shared_base)
                elif await self._until_at_rest(root):
                    continue
            if outbox.newest is None or (snapshot is not None and outbox.newest.oid == snapshot.oid):
                outbox.newest = None
                outbox.filled.clear()
                await outbox.filled.wait()

    async def _until_at_rest(self, root: str) -> bool:
        """Wait for the end of a guest's removals, and record what is left; return False if that is no working tree."""
        await asyncio.sleep(REST)
        session = self.sessions.get(root)
        if session is not None and os.path.isdir(root):
            with suppress(BoughError, OSError):
                await session.save()
        self.together.wake()
        return os.path.isdir(root)

    def _stop_publishing(self, branch: str) -> None:
        if branch in self._outboxes:
            del self._outboxes[branch]
            self._publishing.pop(branch).cancel()

    def _on_team_event(self, event: team_sync.TeamEvent) -> None:
        self._answered.set()
        if event.kind in ("tip", "purge", "back"):
            self._purger.look_soon()
        if event.kind == "tip":
            self.together.wake()
        if event.kind in ("tip", "landed"):
            self._untold[event.kind, event.branch] = event
            self._tell_soon.set()
        elif event.kind in team_sync.KINDS_OF_TALK.values():
            self.together.wake()  # what is solid is folded
            self.tell(event.kind, event.member, about=self.talker.about(event.tip))
        elif event.kind != "held":
            self.tell(event.kind, event.branch if event.kind == "kept" else event.member)
        if event.kind == "called":
            self._background.begin("following a change of name", self._follow_name)
        if event.kind in ("alone", "back"):
            for session in self.sessions.values():
                if session.branch.tip is not None:
                    self._on_snapshot(session, session.branch.tip)
        if event.kind == "refused":
            self._background.begin("sharing without what was refused", partial(self._share_again, event))

    async def _share_again(self, event: team_sync.TeamEvent) -> None:
        """Share what a teammate refused without the snapshots before it, or find where it is in the history."""
        held = self.sync.held_by(event.member, event.branch)
        for session in self.sessions.values():
            if session.branch.name != event.branch:
                continue
            tip = session.branch.tip
            if await self.owner.run(session.branch.refused, event.tip, held):
                tip = await session.save()
            if tip is not None and tip.shared == event.tip:  # nothing can be left out of it
                await self._find_in_history(tip.shared_base, self.sync.refusals_of(event.branch).get(event.member, ""))

    async def _find_in_history(self, base: str, refusal: str) -> None:
        """Find where the object that a refusal is about entered the user's history."""
        oid = named_object(refusal)
        if oid is not None and oid not in self._committed:
            self._committed[oid] = await to_the_end(asyncio.to_thread(where_committed, self.store, base, oid))

    def _explained(self, refusal: str, name: str) -> str:
        """Return why a teammate refused a snapshot, and the remedy for an object in the user's own commits."""
        where = self._committed.get(named_object(refusal) or "")
        if where is None:
            return refusal
        return f"{refusal}; it is in {where}: remove it from your history, or ask {name} fetch that commit with Git"

    async def measure(self) -> None:
        """Measure the store, and request what had no space before."""
        before = self.quota.limit
        self.quota.note(await asyncio.to_thread(self.quota.measured))
        if self.quota.limit > before:
            self.sync.ask_again()

    async def _keep_within_room(self) -> None:
        """Measure the store periodically, and repack all of it when it has nearly reached its limit."""
        packed = 0
        while True:
            await self.measure()
            if self.quota.is_near and self.quota.used > GROWN * packed:
                await tidy(self.store, self.owner)
                await gather(self.store, self.owner, all_of_them=True)
                await self.measure()
                packed = self.quota.used
            await asyncio.sleep(MEASURE_EVERY)

    async def _tell_of_tips(self) -> None:
        """Tell subscribers about teammates' newest states, once per branch."""
        while True:
            while self._untold:
                event = self._untold.pop(next(iter(self._untold)))
                tree, word = await self.owner.run(self._seen, event.tip)
                self.tell("landed" if event.kind == "landed" else word, event.branch or event.member, event.tip, tree)
            self._tell_soon.clear()
            await self._tell_soon.wait()

    def _seen(self, tip: str) -> tuple[str, str]:
        snapshot = read_snapshot(self.store.objects, tip)
        return self.store.objects.commit(tip).tree, _word(snapshot.event) if snapshot is not None else "tip"

    def _branch_name(self, worktree: Worktree, member: str, members: Collection[str]) -> str:
        """Return the name of a working tree's live branch: the member's for the first, else `MEMBER+FOLDER`."""
        path = os.path.join(self.store.folder, "worktrees.json")
        known: dict[str, str] = {}
        with suppress(FileNotFoundError):
            known = read_record(path, dict[str, str])
        # Not the path: the repository may be moved.
        key = os.path.relpath(worktree.git_dir, worktree.common_dir)
        names = {key: f"{member}+{suffix}" if suffix else member for key, suffix in known.items()}
        if not names:
            names[key] = member
        elif key not in names or (names[key] != member and names[key] in members):
            taken = {*names.values(), *members}
            further = further_names(member, os.path.basename(worktree.root), branch=True)
            names[key] = next(name for name in further if name not in taken)
        known[key] = names[key].removeprefix(member).removeprefix("+")
        write_whole(path, as_json(known))
        return names[key]


def _checked_commits(store: Store, worktree: Worktree) -> OwnCommits | None:
    """Return the user's commits, checked for what must not leave; None if there are none."""
    with suppress(NoCommitYet, GitFailed):
        return OwnCommits.looked_through(store, worktree.head().commit)
    return None


def _entries(objects: Objects, tip: str, limit: int) -> list[LogEntry]:
    """Return the newest snapshots of a timeline, at most `limit`."""
    snapshots = islice(timeline(objects, tip), limit)
    return [LogEntry(s.oid, s.tree, s.base, s.event, s.title, s.time) for s in snapshots]


def _finish_purge(store: Store) -> Exception | None:
    """Finish an interrupted purge; if that fails, it is retried at the next start, and recording continues."""
    try:
        finish(store)
    except (BoughError, OSError) as failure:
        return failure
    return None


def _kind_of(hop: Hop | None, mine: Snapshot) -> str:
    """Return what happens to edits in a teammate's branch; `ended` if they no longer go there."""
    if hop is None:
        return ""
    return "ended" if hop.kind == "together" and mine.company.guest_of != hop.name else hop.kind


def _word(event: str) -> str:
    """Return the first word of a snapshot's event: `hop alice` is a `hop`."""
    return event.partition(" ")[0]
