"""Keep one connection with every teammate, and do the jobs that follow.

If two members call each other at once, the call of the one whose name sorts first is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import grpc

from bough_daemon.budgets import (
    ADMISSION_COST,
    ADMISSIONS_AT_ONCE,
    BUNDLE_BYTES,
    MOST_BUNDLED,
    PACK_COST,
    PARTING_SECONDS,
    PARTING_WORDS,
    RECEIPT_COST,
    TALK_AT_ONCE,
    TALK_COST,
    WANT_COST,
    WANT_TURN,
    WASTED_COST,
    WORDS_A_SECOND,
    WORDS_AT_ONCE,
    WORDS_IN_TURNS,
    WORDS_UNPACED,
    Pace,
    child_seconds,
)
from bough_daemon.errors import BoughError, HostilePack, PeerRefused
from bough_daemon.history.succession import NEAR, leads_far, leads_to
from bough_daemon.purging.removal import leads_to_any
from bough_daemon.store.arrival import Weights
from bough_daemon.store.gathering import MANY_PACKS, gather
from bough_daemon.store.negotiation import haves_of, known_commits, shallow_of, shared_among
from bough_daemon.store.packs import Limits, Measure, PacksMade, Spool, make_pack, take_pack
from bough_daemon.store.quota import Quota
from bough_daemon.store.store import LIVE, SHARED, Store, landed_ref
from bough_daemon.sync.calls import Calls
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import (
    AskAgain,
    Behind,
    Confirmed,
    Declined,
    Doubled,
    FindHaves,
    Job,
    LandedElsewhere,
    Learned,
    MakePack,
    NotTaken,
    OfferAgain,
    PausesHeard,
    PurgesHeard,
    Signed,
    TakePack,
    TalkHeard,
    TicketsHeard,
)
from bough_daemon.sync.listener import Pipe
from bough_daemon.sync.messages import (
    Announce,
    Chunk,
    Delivered,
    Gossip,
    Held,
    Hello,
    Message,
    Reach,
    Refused,
    SharingPauses,
    TalkWords,
    Want,
)
from bough_daemon.system.addresses import is_here
from bough_daemon.system.supervisor import Supervisor, reason_of
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.identity import Identity
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission
from bough_daemon.team.team_files import now_ms

log = logging.getLogger(__name__)

LONGEST_PAUSE = 20.0  # seconds until what a peer could not receive or send is retried
CROSSING_SECONDS = 6.0  # that simultaneous calls of two members may be apart: longer than a call may take
# Seconds before a pack that was sent to a peer is made again: they ask for a state once, or again after a failure.
REPEATED_SECONDS = 1.0
# Concurrent packs and listings; at most one for each peer and for each member.
CHILDREN = 4
SHORT = (Announce, Delivered, Held, Receipt, Refused)  # several of them fit into one gRPC message
BREAKS = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError, BoughError)  # a peer's or the network's doing


@dataclass
class Connection:
    """One connection, with the holder of `key`. `caller`: the member who called.

    `local`: the address of this machine that it uses; empty: unknown. `since`: when it began, monotonic. `refused`: why
    this side closed it; empty: it did not.
    """

    caller: str
    task: asyncio.Task[None]
    key: bytes
    local: str
    since: float
    said: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    refused: str = ""


@dataclass(frozen=True)
class Callbacks:
    """Callbacks for what happens. `record`: save states that came, which are known and confirmed after that."""

    presence: Callable[[str, bool], None]
    record: Callable[[State, State | None], Awaitable[None]]
    took: Callable[[State], None]
    confirmed: Callable[[str, State], None]
    declined: Callable[[Declined], None]
    learned: Callable[[Learned], None]
    behind: Callable[[State], None]
    landed_elsewhere: Callable[[State], None]
    signed: Callable[[str, State], None]
    doubled: Callable[[int], None]
    purges: Callable[[PurgesHeard], None]
    tickets: Callable[[TicketsHeard], None]
    talk: Callable[[TalkHeard], None]
    paused: Callable[[PausesHeard], None]


class Connections:
    """Every connection of one member in one team, as work of `background`: they end when that is closed."""

    def __init__(
        self,
        exchange: Exchange,
        store: Store,
        owner: StoreThread,
        identity: Identity,
        told: Callbacks,
        background: Supervisor,
        quota: Quota,
    ) -> None:
        self._quota = quota
        self.exchange = exchange
        self._store = store
        self._owner = owner
        self._identity = identity
        self._told = told
        self._sessions: dict[str, Connection] = {}
        self._children = {small: asyncio.Semaphore(CHILDREN) for small in (False, True)}
        self._turns: defaultdict[tuple[object, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._weights: Weights = {}
        self._paces: dict[str, Pace] = {}
        self._packed: dict[tuple[str, Key], int] = {}  # the sequence number last packed for a peer
        self._due: set[Job] = set()
        self._taken = 0
        self._haves: tuple[str, ...] = ()
        self._parting: set[bytes] = set()
        self._waking = False
        self._unasked = PacksMade()
        self.hellos: dict[str, Hello] = {}  # each member's latest hello
        self._background = background
        self.calls = Calls(exchange, identity, background, self._over, self._hold_called)

    def refused(self) -> dict[str, str]:
        """Return why reachable members are not connected, in the words of the side that refused."""
        if self.exchange.is_out:
            return {}
        here = self.exchange.roster.members.keys() - self._sessions.keys() - self.calls.other_versions
        return {name: reason for name, reason in sorted(self.calls.refused.items()) if name in here}

    def connected(self) -> set[str]:
        """Return the connected peers."""
        return set(self._sessions) & set(self.exchange.links) & set(self.exchange.roster.members)

    def drop_stale(self, *, all_of_them: bool = False) -> None:
        """Close the connections from addresses that this machine no longer has, which would time out much later."""
        for name, session in list(self._sessions.items()):
            if all_of_them or (session.local and not is_here(session.local)):
                log.info("restarting the connection to %s: the network has changed", name)
                session.task.cancel()

    def part(self) -> None:
        """Close the connections with members who have left the team, or all of them if this member has.

        They get the reason, as a signed removal, and nothing else; the connection is closed moments later.
        """
        for name, session in self._sessions.items():
            if self._are_both_in(session.key) and name not in self.exchange.roster.members:
                session.task.cancel()  # they were renamed, and will reconnect under the new name
            if not self._are_both_in(session.key) and name in self.exchange.links and not session.refused:
                session.refused = self._why_apart(session.key)
                self.exchange.part(name, session.key)
                session.said.set()
                self._background.begin(f"disconnecting from {name}", partial(self._cut_off, session))

    async def until_parted(self) -> None:
        """Wait until the connections that are being closed have ended."""
        await asyncio.gather(*(session.over.wait() for session in self._sessions.values() if session.refused))

    async def _cut_off(self, session: Connection) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARTING_SECONDS):
                await session.over.wait()
        session.task.cancel()

    def _are_both_in(self, key: bytes) -> bool:
        return not self.exchange.is_out and self.exchange.roster.by_key(key) is not None

    def _why_apart(self, key: bytes) -> str:
        """Return why the holder of a key, or this member, is not in the team, for the other side."""
        roster, me = self.exchange.roster, self.exchange.member
        out = self.exchange.key if self.exchange.is_out else key
        removals, name = roster.out_by(out), me if self.exchange.is_out else roster.name_of(key)
        if not removals:
            return f"{name} is not in the team"
        if removals[0].is_leaving:
            return f"{name} has left the team"
        return f"{name} was removed from the team by {roster.name_of(removals[0].remover)}"

    def do(self, jobs: Iterable[Job]) -> None:
        """Start jobs, and send the pending messages."""
        for job in [] if self._background.closed else jobs:
            match job:
                case Learned():
                    self._told.learned(job)
                case PurgesHeard():
                    self._told.purges(job)
                case TicketsHeard():
                    self._told.tickets(job)
                case TalkHeard():
                    self._told.talk(job)
                case PausesHeard():
                    self._told.paused(job)
                case Confirmed(peer, state):
                    self._told.confirmed(peer, state)
                case Behind(state):
                    self._told.behind(state)
                case LandedElsewhere(state):
                    self._told.landed_elsewhere(state)
                case Signed(peer, state):
                    self._told.signed(peer, state)
                case Doubled(time):
                    self._told.doubled(time)
                case Declined():
                    self._told.declined(job)
                case AskAgain(key):
                    self._later(job, partial(self.exchange.retry, key))
                case OfferAgain(peer, key):
                    self._later(job, partial(self.exchange.offer_again, peer, key))
                case MakePack() | FindHaves() | TakePack():
                    self._background.begin(f"exchanging data with {job.peer}", partial(self._perform, job))
        if not self._waking:  # once per turn of the loop, as there may be many messages with many peers
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        for name in self.exchange.touched():
            if name in self._sessions:
                self._sessions[name].said.set()
                self._sessions[name].leaving.set()

    # Connections.

    async def welcome(self, caller: Admission, pipe: Pipe) -> None:
        """Serve a member who has called; raise PeerRefused while another connection is open.

        A former member gets the reason, and only messages that may readmit them are read.
        """
        if self._are_both_in(caller.key):
            await self._hold(caller.name, caller.name, pipe, greet=True)
            return
        if caller.key not in self._parting:
            self._parting.add(caller.key)
            try:
                await self._turn_away(caller.key, pipe)
            finally:
                self._parting.discard(caller.key)
        again = self._are_both_in(caller.key)
        raise PeerRefused("the two can connect again" if again else self._why_apart(caller.key))

    async def _turn_away(self, key: bytes, pipe: Pipe) -> None:
        await pipe.write(self.exchange.hello())
        await pipe.write(self.exchange.notice_for(key))
        with contextlib.suppress(TimeoutError, *BREAKS):
            async with asyncio.timeout(PARTING_SECONDS):
                for _ in range(PARTING_WORDS):
                    word = await pipe.read()
                    if isinstance(word, Gossip):
                        self.do(self.exchange.hear_former(key, word, now_ms()))
                    if word is None or self._are_both_in(key):
                        return

    async def _hold(self, member: str, caller: str, pipe: Pipe, greet: bool) -> None:
        """Run a connection, replacing one that is not preferred, until either side ends it.

        Simultaneous calls arrive within seconds. A member who calls later than that has lost the connection that still
        seems to be open: nobody calls while connected.
        """
        old = self._sessions.get(member)
        while old is not None:
            crossed = time.monotonic() - old.since < CROSSING_SECONDS
            if crossed and old.caller != caller and caller != min(member, self.exchange.member):
                raise PeerRefused(f"{self.exchange.member} is already connected to {member}")
            old.task.cancel()
            await old.over.wait()
            old = self._sessions.get(member)
        if self._background.closed:
            raise PeerRefused(f"{self.exchange.member} is leaving")
        entry = self.exchange.roster.members.get(member)
        if entry is None or self.exchange.is_out:
            raise PeerRefused(f"{member} is no longer a teammate")
        talk = self._background.begin(f"the connection to {member}", partial(self._talk, member, pipe, greet))
        session = Connection(caller, talk, entry.key, pipe.local, time.monotonic())
        self._sessions[member] = session
        session.task.add_done_callback(lambda _: self._ended(member, session))
        try:
            await session.over.wait()
        finally:
            session.task.cancel()
        if session.refused:
            raise PeerRefused(session.refused)

    async def _hold_called(self, member: str, pipe: Pipe) -> None:
        """Run a connection with a member who was called from here and has answered."""
        await self._hold(member, self.exchange.member, pipe, greet=False)

    def _over(self, member: str) -> asyncio.Event | None:
        session = self._sessions.get(member)
        return session.over if session is not None else None

    def _ended(self, member: str, session: Connection) -> None:
        del self._sessions[member]
        session.over.set()

    async def _talk(self, member: str, pipe: Pipe, greet: bool) -> None:
        try:
            if greet:
                await pipe.write(replace(self.exchange.hello(), carried_apart=pipe.hello.carried_apart))
            if not self._are_both_in(self._sessions[member].key):
                raise PeerRefused(f"{member} is no longer a teammate")
            said = pipe.hello
            apart = said.carried_apart != 0
            jobs = self.exchange.connected(member, relays=said.relays, talks=said.talks, carried_apart=apart)
            self.calls.other_versions.discard(member)
            self.hellos[member] = pipe.hello
            self.calls.refused.pop(member, None)
            self._told.presence(member, True)
            try:
                self.do(jobs)
                async with asyncio.TaskGroup() as both:
                    others = [both.create_task(self._write(member, pipe))]
                    others += [both.create_task(self._carry(member, pipe))] if apart else []
                    await self._read(member, pipe)
                    for one in others:
                        one.cancel()
            finally:
                self.do(self.exchange.disconnected(member))
                self._told.presence(member, False)
        except* PeerRefused as refused:
            self._sessions[member].refused = self.calls.refused[member] = reason_of(refused)
            log.warning("the connection to %s was closed: %s", member, reason_of(refused))
        except* BREAKS as broken:
            log.info("the connection to %s was lost: %s", member, reason_of(broken))

    async def _read(self, member: str, pipe: Pipe) -> None:
        while (word := await pipe.read()) is not None:
            for part in _parts(word):
                if isinstance(part, Delivered):
                    self.exchange.hear_delivered(member, part, time.monotonic())
                await self._hear(member, part, self.exchange.hear)

    async def _hear(self, member: str, word: Message, hear: Callable[[str, Message, int], list[Job]]) -> None:
        """Take in a word, and wait for what it costs: also on the other stream, as the pace is the member's.

        Not the conversation's: who calls again begins with what they owe.
        """
        pace = self._paces.setdefault(member, Pace(WORDS_A_SECOND, WORDS_AT_ONCE, WORDS_UNPACED, WORDS_IN_TURNS))
        weight, link = _weight(word, self.exchange.roster.admissions), self.exchange.links[member]
        self.do(hear(member, word, now_ms()))
        wasted, link.wasted = link.wasted, 0
        turn = WANT_TURN if isinstance(word, Want) else 0.0
        await asyncio.sleep(pace.after(weight + wasted * WASTED_COST, time.monotonic(), turn))

    async def _write(self, member: str, pipe: Pipe) -> None:
        session = self._sessions[member]
        while True:
            session.said.clear()
            while said := self._next_words(member, MOST_BUNDLED if pipe.hello.bundles else 0):
                await pipe.write(*said)
            if self.exchange.is_parting(member):
                if session.caller == self.exchange.member:
                    # So that they can read it: a caller who leaves would cut it off.
                    await asyncio.sleep(PARTING_SECONDS)
                raise PeerRefused(session.refused)
            await session.said.wait()

    def _next_words(self, member: str, most: int) -> list[Message]:
        """Take the next word, and up to `most` more: a message costs more than its content."""
        said, left = list[Message](), BUNDLE_BYTES
        while len(said) <= most and left > 0 and (word := self.exchange.next_word(member)) is not None:
            said.append(word)
            left -= len(word.data) if isinstance(word, Chunk) else 0 if isinstance(word, SHORT) else BUNDLE_BYTES
        return said

    async def _carry(self, member: str, pipe: Pipe) -> None:
        """Send and take large packs on a stream of their own."""
        packs = await pipe.beside()
        async with asyncio.TaskGroup() as both:
            writing = both.create_task(self._write_packs(member, packs))
            while (word := await packs.read()) is not None:
                await self._hear(member, word, self.exchange.hear_apart)
            writing.cancel()

    async def _write_packs(self, member: str, packs: Pipe) -> None:
        session = self._sessions[member]
        while True:
            session.leaving.clear()
            while (chunk := self.exchange.next_chunk(member, time.monotonic())) is not None:
                await packs.write(chunk)
            await session.leaving.wait()

    # Jobs.

    async def _perform(self, job: MakePack | FindHaves | TakePack) -> None:
        try:
            await self._do(job)
        except Exception:
            # Unfinished jobs between the two end with their connection; the next one starts over.
            self.do(self.exchange.abandon(job))
            if job.peer in self._sessions:
                self._sessions[job.peer].task.cancel()
            raise

    async def _do(self, job: MakePack | FindHaves | TakePack) -> None:
        match job:
            case MakePack():
                made = await self._make(job)
                self.do(self.exchange.pack_made(job, made))
                if made is None and job.asked is not None:
                    self.do([OfferAgain(job.peer, job.state.key)])
            case FindHaves() if (refusal := self._quota.refusal(job.state.key.member)) is not None:
                self.do(self.exchange.not_asked(job, NotTaken(refusal)))
            case FindHaves():
                async with self._turn(job):
                    self._haves, shallow = await self._look_for_haves()
                self.do(self.exchange.ask(job, self._haves, shallow))
            case TakePack():
                await self._take(job)

    def _later(self, job: Job, again: Callable[[], list[Job]]) -> None:
        """Retry something later that may succeed then; once, however often `job` comes meanwhile."""

        async def do_again() -> None:
            await asyncio.sleep(LONGEST_PAUSE)
            self._due.discard(job)
            self.do(again())

        if job not in self._due:
            self._due.add(job)
            self._background.begin("trying again", do_again)

    @asynccontextmanager
    async def _turn(self, job: MakePack | FindHaves | TakePack, pause: float = 0.0) -> AsyncIterator[None]:
        """Wait until a job may be done: a peer who asks for much waits for themselves, and others go on.

        So do the states of a peer who has many, wherever they come through: nobody's save waits behind them. What is
        small does not wait for what is large. `pause`: seconds that the peer waits on top of that.
        """
        whose = job.state.key if self._is_of_mine(job) else job.state.key.member
        async with self._turns[job.peer, whose, type(job), _is_small(job)]:
            await asyncio.sleep(pause)
            async with self._children[_is_small(job)]:
                yield

    def _is_of_mine(self, job: MakePack | FindHaves | TakePack) -> bool:
        """Return whether a job is for a save in one of this member's working trees, which waits for none in another."""
        return isinstance(job, MakePack) and job.asked is None and job.state.key.member == self.exchange.member

    async def _look_for_haves(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        shared = self.exchange.shared()
        try:
            haves = await to_the_end(asyncio.to_thread(haves_of, self._store, shared))
            return haves, await to_the_end(asyncio.to_thread(shallow_of, self._store, shared))
        except (BoughError, OSError) as failure:
            self._background.note("listing what is here already", failure)
            return (), ()

    async def _make(self, job: MakePack) -> tuple[Spool, str] | None:
        if job.asked is not None or job.since is None:
            return await self._make_for_one(job)
        return await self._unasked.made((job.state, job.since), partial(self._make_for_one, job))

    async def _make_for_one(self, job: MakePack) -> tuple[Spool, str] | None:
        said, shallow = (job.asked.haves, job.asked.shallow) if job.asked is not None else ((), ())
        since = (job.since.tip, job.since.base) if job.since is not None else ()
        tips = list(dict.fromkeys([job.state.tip, job.state.base]))
        is_repeated = self._packed.get((job.peer, job.state.key)) == job.state.sequence
        self._packed[job.peer, job.state.key] = job.state.sequence
        try:
            async with (
                self._turn(job, REPEATED_SECONDS if is_repeated else 0.0),
                asyncio.timeout(child_seconds(Limits().pack)),
            ):
                haves = await self._owner.run(known_commits, self._store, since)
                # What is here unshared does not count: the pack would reveal how it differs.
                shared = [*self.exchange.shared(), *tips]
                haves += await self._shared_among(said, shared)
                return await make_pack(self._store, tips, haves, await self._shared_among(shallow, shared))
        except (BoughError, OSError) as failure:
            self._background.note(f"making a pack for {job.peer}", failure)
            return None

    async def _shared_among(self, named: tuple[str, ...], shared: list[str]) -> list[str]:
        return await to_the_end(asyncio.to_thread(shared_among, self._store, named, shared)) if named else []

    def gather_soon(self) -> None:
        """Combine the many small packs that came in, in the background."""
        self._background.begin("gathering packs", partial(gather, self._store, self._owner))

    def _commit_of_mine(self) -> str | None:
        """Return the commit that my own branch was last on: arriving trees are weighed against it."""
        me = self.exchange.member
        mine = self.exchange.known.get(Key(me, BranchKind.LIVE, me.encode()))
        return mine.base if mine is not None else None

    async def _take(self, job: TakePack) -> None:
        """Receive a pack, or note why it was refused. What came is saved before anyone is told that it is here."""
        state, size = job.state, job.spool.size
        try:
            left = await self._adopt(job)
            self._quota.took(state.key.member, size)
            await self._told.record(state, left)
        except HostilePack as failure:
            branch = state.key.branch_name
            log.warning("a pack of %s from %s was rejected: %s", branch, job.peer, failure)
            self.do(self.exchange.pack_taken(job, NotTaken(failure.message)))
            return
        except Exception as failure:
            # The disk is full, or a child died: nobody was told that it is here, and the connection stays open.
            self._background.note(f"taking what came from {job.peer}", failure)
            self.do([AskAgain(state.key)])
            self.do(self.exchange.pack_taken(job, NotTaken(reason_of(failure), for_now=True)))
            return
        if left is not None:
            self.do(self.exchange.left_behind(left))
            self._told.took(left.as_aside())
        self._told.took(state)
        self.do(self.exchange.pack_taken(job, None))
        self._taken += 1
        if self._taken % MANY_PACKS == 0:
            self.gather_soon()

    async def _adopt(self, job: TakePack) -> State | None:
        """Put a pack into the store; return the state of its branch that it left behind. Raises HostilePack."""
        state = job.state
        branch = state.key.branch_name
        live = state.key.kind is BranchKind.LIVE
        ref = LIVE + branch if live else landed_ref(state.key.member, state.key.branch)
        commits = list(dict.fromkeys([state.tip, state.base]))
        async with self._turn(job):
            if state.key.member not in self.exchange.roster.members:
                raise HostilePack(f"{state.key.member} is not in the team", member=state.key.member)
            refusal = self._quota.refusal(state.key.member)
            if refusal is not None:
                raise HostilePack(refusal, member=state.key.member)
            if live and await self._owner.run(self._store.ref, SHARED + branch) is not None:
                raise HostilePack(f"{branch} is one of this repository's own branches", branch=branch)
            shared = [*self.exchange.shared(), *self._haves]
            measure = Measure(self._commit_of_mine(), self._weights)
            before = self.exchange.known.get(state.key) if live else None
            earlier = await self._owner.run(self._store.ref, ref) if live and before is None else None
            purged = self._store.purged.ids | self.exchange.purges.ids_of(state.key.member)
            await take_pack(self._store, self._owner, job.spool, commits, shared, ref, measure, purged)
            if before is None:
                await self._keep_earlier(branch, earlier, state.tip)
            if before is None or not await self._is_left_behind(before, state):
                return None
            await self._keep_ref(before.as_aside())
        return before

    async def _keep_earlier(self, branch: str, earlier: str | None, now: str) -> None:
        """Keep the earlier tip of a branch whose member now signs with another key."""
        if earlier in (None, now) or earlier in self._store.purged.moved:
            return
        if not await self._owner.run(leads_to, self._store.objects, now, earlier, NEAR):
            await to_the_end(self._owner.run(self._store.keep, f"{branch}/{earlier}", earlier))

    async def _is_left_behind(self, before: State, now: State) -> bool:
        """Return whether a state of a branch is not contained in the one that replaces it, and has to be kept.

        Its member lost it with a disk, or signs on two machines. If the daemon is killed before it is kept, the next
        start still knows the earlier state as the newest one, and receives the other again.
        """
        if before.tip == now.tip or await self._owner.run(leads_to, self._store.objects, now.tip, before.tip, NEAR):
            return False
        if await leads_far(self._store, now.tip, before.tip):
            return False
        purged = self.exchange.purges.ids_of(now.key.member)
        if not purged:
            return True
        return not await to_the_end(asyncio.to_thread(leads_to_any, self._store, before.tip, now.tip, purged))

    async def _keep_ref(self, aside: State) -> None:
        """Name the tip of a state that is kept aside; the oldest ones of its member make room."""
        for key in self.exchange.crowding(aside.key.member):
            self.exchange.let_go(key)
            await to_the_end(self._owner.run(self._store.delete_ref, LIVE + key.branch_name))
        name = aside.key.branch_name
        await to_the_end(self._owner.run(self._store.name, LIVE + name, aside.tip))
        log.warning("%s went on from an older state; %s keeps what it had", aside.key.member, name)


def _is_small(job: MakePack | FindHaves | TakePack) -> bool:
    """Return whether a job is about a pack that came unasked, or is to go unasked: of a save most likely."""
    if isinstance(job, TakePack):
        return job.spool.size <= Limits().inline
    return isinstance(job, MakePack) and job.asked is None


def _parts(word: Message) -> Iterator[Message]:
    """Yield a word, split into parts if it has many admissions or comments, so that others have their turn."""
    if isinstance(word, TalkWords):
        for at in range(0, len(word.entries), TALK_AT_ONCE):
            yield TalkWords(word.entries[at : at + TALK_AT_ONCE])
        return
    if not isinstance(word, Gossip) or len(word.admissions) <= ADMISSIONS_AT_ONCE:
        yield word
        return
    for at in range(0, len(word.admissions), ADMISSIONS_AT_ONCE):
        yield Gossip(word.admissions[at : at + ADMISSIONS_AT_ONCE])
    yield replace(word, admissions=())


def _weight(word: Message, known: Container[str]) -> int:
    """Return the weight of a word, by the work that it causes. `known`: the digests of admissions."""
    match word:
        case Gossip(admissions, contacts, removals, purges, answers, invites, uses, vouches):
            new = sum(entry.digest not in known for entry in admissions)
            said = sum(map(len, (admissions, contacts, removals, purges, answers, invites, uses)))
            return 1 + said + new * ADMISSION_COST + len(vouches) * RECEIPT_COST
        case Chunk(offset=0):
            return PACK_COST
        case Want():
            return WANT_COST
        case Reach(reached, lost):
            return 1 + len(reached) + len(lost)
        case Receipt():
            return RECEIPT_COST
        case TalkWords(entries):
            return 1 + len(entries) * TALK_COST
        case SharingPauses(pauses):
            return 1 + len(pauses) * RECEIPT_COST
    return 1
