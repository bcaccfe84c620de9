"""The team of one repository: its members, their states, and the exchange with them."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from bough_proto.v1 import peer_pb2 as pb

from bough_daemon.api.notices import (
    AdmissionsDropped,
    AdmittedTwice,
    Dispute,
    NameAdmittedTwice,
    NameTakenAlready,
    NewKeyVouched,
    NoConnection,
    Notice,
    StateContradicted,
)
from bough_daemon.api.records import MemberRecord, TicketRecord
from bough_daemon.errors import (
    AlreadyInTeam,
    InAnotherTeam,
    NameTaken,
    NothingShared,
    SharingPaused,
    TooMuchTalk,
    TooMuchToPurge,
    UnknownFingerprint,
)
from bough_daemon.home import Home
from bough_daemon.store.packs import Limits, Spool, sweep
from bough_daemon.store.quota import Quota
from bough_daemon.store.store import LIVE, SHARED, Store
from bough_daemon.sync.connections import Callbacks, Connections
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.invitations import Invitations, InviteMade
from bough_daemon.sync.jobs import Declined, Job, Learned, PausesHeard, PurgesHeard, TalkHeard, TicketsHeard
from bough_daemon.sync.joining import present
from bough_daemon.sync.listener import PeerListener, Pipe
from bough_daemon.sync.messages import Hello, own_release
from bough_daemon.sync.reachability import Reachability
from bough_daemon.system.failing import Failing
from bough_daemon.system.opened import Opened
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.system.text import ago
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.talk.entries import Closing, Reaction, Remark, RemarkReply, Said, SolidMark, TalkEntry
from bough_daemon.talk.log_file import LogFile
from bough_daemon.talk.team_talk import TeamTalk
from bough_daemon.team.branch_state import BranchKind, Key, KnownBranch, State, TeamLanding, branch_owner
from bough_daemon.team.departures import Removal
from bough_daemon.team.fingerprints import parse_fingerprint, readable_fingerprint
from bough_daemon.team.identity import Identity
from bough_daemon.team.invites import VALID_MS
from bough_daemon.team.names import check_branch, check_live_branch, check_member_name, owner_of
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome, Purges
from bough_daemon.team.roster import Admission, Rival, Roster
from bough_daemon.team.team_files import Team, now_ms
from bough_daemon.team.tickets import Ticket
from bough_daemon.team.vouches import Vouch

log = logging.getLogger(__name__)

REMEMBERED_TIPS = 4096
MOST_WORDS = 200  # characters of a member's text that are shown
MOST_DISPUTES = 20  # that are shown; of new keys that members vouch for, as many
MOST_TOLD_OF = 20  # simultaneous entries of which each is an event
KINDS_OF_TALK: dict[type[Said | None], str] = {
    Remark: "comment",
    RemarkReply: "reply",
    Closing: "close",
    Reaction: "react",
    SolidMark: "solid",
}


@dataclass(frozen=True)
class TeamEvent:
    """Something that happened in the team.

    `kind`: `tip` (a teammate's branch moved), `landed`, `kept` (a state is kept aside),
    `held` (a teammate has my `tip` now), `refused` (a teammate will not take it), `postponed` (cannot take it now),
    `connected`, `disconnected`, `member` (someone joined),
    `renamed` (to `member`), `called` (this one, elsewhere), `behind` (peers know a newer state of my own branch than I
    do), `doubled` (another machine is this member, too), `alone` (no longer), `purge` (a member asks for
    one), `comment`, `reply`, `close`, `react` and `solid` (`tip`: the digest of what was said), `left` and `removed`
    (of a member), `paused` and `resumed` (a teammate their sharing), `out` (this member is no longer in the team),
    `back` (is in one again).
    """

    kind: str
    member: str
    branch: str = ""
    tip: str = ""


def still_here(store: Store, team: Team) -> dict[Key, State]:
    """Return the states of a team whose objects are in the store, and were not purged. On the store's thread."""
    moved = store.purged.moved
    here = (state for state in team.states.values() if store.objects.exists(state.tip))
    return {state.key: state for state in here if state.tip not in moved and state.base not in moved}


@dataclass(frozen=True)
class Membership:
    """Membership in one team; joining another team creates another."""

    team: Team
    exchange: Exchange
    connections: Connections
    background: Supervisor
    invitations: Invitations
    reach: Reachability
    talk: TeamTalk


@dataclass(frozen=True)
class KeptTeam:
    """A team as stored here, its states whose objects are here, and its members' comments."""

    team: Team
    known: dict[Key, State]
    talk: list[TalkEntry] = field(default_factory=list)

    @classmethod
    async def of(cls, home: Home, store: Store, owner: StoreThread, identity: Identity, name: str) -> KeptTeam:
        """Read the team of a repository, at first a new one of its own; incompletely received states are dropped."""
        await owner.run(sweep, store)
        team = await to_the_end(asyncio.to_thread(Team.of_store, home, store, identity, name))
        said = await to_the_end(asyncio.to_thread(LogFile(team.folder).load))
        return cls(team, await owner.run(still_here, store, team), said)


class TeamSync:
    """One repository's team; `running` connects with it. On the loop's thread only; the store is used via `owner`.

    `name`: this member's name if the repository is in no team yet. `on_event` is called on the loop and must not wait.
    `is_hub`: this member has no working tree, and no history when it joins. `doubled`: whether another machine is this
    member too; then no state of this member is sent to the team.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        owner: StoreThread,
        listener: PeerListener,
        name: str,
        on_event: Callable[[TeamEvent], None],
        kept: KeptTeam,
        limits: Limits | None = None,
        quota: Quota | None = None,
        *,
        is_hub: bool = False,
    ) -> None:
        self._is_hub = is_hub
        self._quota = quota or Quota(store.objects.folder)
        self._home = home
        self._store = store
        self._owner = owner
        self._listener = listener
        self._wished_name = name
        self._on_event = on_event
        self._limits = limits or Limits()
        self._identity = listener.identity
        self._publishing = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._due, self._saved = 0, 0  # calls for a write of the states, and how many of them are done
        self._coming: dict[Key, State] = {}  # states that are saved first and known then
        self._tips: dict[str, tuple[Key, int]] = {}
        self._changed = asyncio.Event()
        self.doubled = False
        self._began = 0  # milliseconds since the epoch
        self._was_out = False
        self._seen: dict[bytes, int] = {}  # when others were last connected, in milliseconds since the epoch
        self._now = self._member_of(kept)

    @property
    def _team(self) -> Team:
        return self._now.team

    @property
    def _exchange(self) -> Exchange:
        return self._now.exchange

    @property
    def _conversations(self) -> Connections:
        return self._now.connections

    @property
    def _background(self) -> Supervisor:
        return self._now.background

    @property
    def reach(self) -> Reachability:
        """How the team's members are reached."""
        return self._now.reach

    @property
    def team_id(self) -> str:
        """The id of the team that the repository is in."""
        return self._team.roster.team

    @property
    def member(self) -> str:
        """Return this member's name in the team."""
        return self._exchange.member

    @property
    def roster(self) -> Roster:
        """The team's members."""
        return self._team.roster

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect with the team's members until the end of the block."""
        async with Opened() as opened:
            opened.push_async_callback(self._leave)
            await self._come_in()
            yield

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Exchange nothing until the end of the block; then continue with the team's data as stored by then."""
        await self._leave()
        try:
            yield
        finally:
            kept = await KeptTeam.of(self._home, self._store, self._owner, self._identity, self._wished_name)
            self._now = self._member_of(kept)
            await self._come_in()

    async def _leave(self) -> None:
        """Disconnect. What was received and published is saved."""
        self._listener.rooms.pop(self.team_id, None)
        self._listener.refresh()
        await self._background.close()
        await self._listener.expect(self.team_id, False)
        await self._save_states()
        self._exchange.close()

    def _member_of(self, kept: KeptTeam) -> Membership:
        """Return this member's part in a team; it connects with nobody before `_come_in`."""
        team, key = kept.team, self._identity.key
        name = team.roster.last_name_of(key) or self._wished_name
        team.carry_taken()
        self._quota.taken = team.taken
        self.doubled, self._began, self._was_out = False, now_ms(), team.roster.by_key(key) is None
        spool = partial(Spool.below, self._store.folder)
        exchange = Exchange(name, team.roster, spool, self._limits, key, self._identity)
        exchange.known = kept.known
        exchange.pauses.merge(team.pauses)
        self._note_pause(exchange)
        exchange.hello = partial(self._hello, team.roster.team)
        exchange.review()
        exchange.purges.merge(team.purges, team.purge_answers)
        talk = TeamTalk(exchange.talk, LogFile(team.folder), self._identity, kept.talk)
        told = Callbacks(
            self._presence,
            self._record,
            self._took,
            self._confirmed,
            self._declined,
            self._learned,
            self._behind,
            self._number_above,
            self._signed,
            self._seen_elsewhere,
            self._heard_purges,
            self._heard_tickets,
            self._heard_talk,
            self._heard_pauses,
        )
        background = Supervisor()
        connections = Connections(exchange, self._store, self._owner, self._identity, told, background, self._quota)
        invitations = self._invitations_of(team, exchange, connections)
        reach = Reachability(team, exchange, connections, self._listener, self._seen)
        return Membership(team, exchange, connections, background, invitations, reach, talk)

    def _hello(self, team: str) -> Hello:
        port = self._listener.deputy_port
        understood = {"relays": True, "talks": True, "bundles": True}
        return Hello(team, bough=own_release(), join_port=port, hub=self._is_hub, **understood)

    def _invitations_of(self, team: Team, exchange: Exchange, connections: Connections) -> Invitations:
        def joined(name: str) -> None:
            self._on_event(TeamEvent("member", name))

        here = self._listener, self._store, self._owner
        return Invitations(team, exchange, connections, *here, joined)

    async def _come_in(self) -> None:
        """Connect with the members of the team, and be reachable for them."""
        self._listener.rooms[self.team_id] = self
        self._listener.refresh()
        self._conversations.gather_soon()
        self._conversations.calls.begin()
        self._background.keep("saving the team's data", self._keep_saving)
        await self._now.invitations.begin()
        self._background.keep("listening for new members", self._now.invitations.keep_listening)
        await self._tell_moved()
        self._remove_lost()
        self.moved()

    async def _change_to(
        self, team: Team, become: PeerListener, rename: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Leave the previous team, of which nothing is kept, for another one, as the member of a listener."""
        before, left, name = self._now.talk, self._team.folder, self.member
        was_alone = len(self.roster.admissions) == 1
        await self._leave()
        await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
        self._home, self._listener, self._identity = become.home, become, become.identity
        self._tips.clear()
        self._now = self._member_of(KeptTeam(team, await self._owner.run(still_here, self._store, team)))
        if was_alone:  # comments belong to the team in which they were made
            self.talk.begin_with(before, lambda branch: self.member + branch.removeprefix(name))
        if rename is not None:
            await rename()
            await self._owner.run(self._set_aside)
        await self._come_in()

    async def _tell_moved(self) -> None:
        """Tell the team the replacements, after a purge, of the commits that my newest states name."""
        moved = self._store.purged.moved
        for key, state in self._team.states.items():
            if key.member == self.member and not key.aside and key not in self._exchange.known:
                tip, base = (moved.get(oid, oid) for oid in (state.tip, state.base))
                if await self._owner.run(self._store.objects.exists, tip):
                    await self._publish(key, tip, base)

    def _set_aside(self) -> None:
        """Set aside my branches whose names are not mine in this team. On the store's thread."""
        for branch in self._store.refs(SHARED):
            if branch_owner(self.roster, branch) != self.member:
                tip = self._store.ref(LIVE + branch)
                if tip is not None:
                    self._store.keep(f"{branch}/{tip}", tip)
                self._store.delete_ref(LIVE + branch)
                self._store.delete_ref(SHARED + branch)

    # My own states.

    async def publish(self, branch: str, tip: str, base: str) -> None:
        """Tell the team that my branch's shared tip moved, unless they already know.

        `branch`: named like the member, or `member+FOLDER`; raises NameTaken if that is another member.
        """
        if self._exchange.is_out:
            return
        if branch_owner(self.roster, check_live_branch(branch)) != self.member:
            raise NameTaken(f"the branch {branch} belongs to another member", name=branch)
        await self._publish(Key(self.member, BranchKind.LIVE, branch.encode()), tip, base)

    async def publish_landed(self, branch: str, commit: str) -> None:
        """Tell the team that I landed `commit` on a shared branch (`main`)."""
        await self._publish(Key(self.member, BranchKind.LANDED, check_branch(os.fsencode(branch))), commit, commit)

    async def _publish(self, key: Key, tip: str, base: str) -> None:
        async with self._publishing:
            last = self._exchange.known.get(key)
            is_newest = last is not None and last.sequence >= self._team.sequences.get(key, 0)
            if last is not None and is_newest and (last.tip, last.base) == (tip, base):
                self._remember(tip, key, last.sequence)  # published before this daemon started, perhaps
                return
            await self._say(key, tip, base)

    async def _publish_again(self, key: Key) -> None:
        """Publish this member's newest state again, with a number above those that peers know."""
        async with self._publishing:
            mine = self._exchange.known.get(key)
            if mine is not None:
                await self._say(key, mine.tip, mine.base)

    async def _say(self, key: Key, tip: str, base: str) -> None:
        if self.doubled or self._exchange.is_out or self.paused_since:
            return
        last = self._exchange.known.get(key)
        sequence = max(self._team.sequences.get(key, 0), last.sequence if last is not None else 0) + 1
        state = State(self.team_id, key, sequence, tip, base, now_ms()).signed(self._identity)
        # Saved before anyone sees it: a number is never used for two states.
        self._team.sequences[key] = sequence
        await self._record(state)
        self._coming.pop(key, None)
        self._remember(tip, key, sequence)
        self._conversations.do(self._exchange.publish(state))

    # Pausing.

    @property
    def paused_since(self) -> float:
        """When this member paused sharing here, in seconds since the epoch; 0: not paused."""
        return self._store.pause.since

    async def pause(self) -> None:
        """Send the team no new state from now on, and tell them so; they keep what they received."""
        async with self._publishing:
            await self._owner.run(self._store.pause.begin, now_ms() / 1e3)
        self._tell_pause()

    async def resume(self) -> None:
        """Resume sharing; the newest states must then be published."""
        await self._owner.run(self._store.pause.end)
        self._tell_pause()

    def _tell_pause(self) -> None:
        self._conversations.do(self._note_pause(self._exchange))

    def _note_pause(self, exchange: Exchange) -> list[Job]:
        word = exchange.pauses.own(self._identity, int(self.paused_since * 1e3), now_ms())
        return exchange.hear_pauses([word]) if word is not None else []

    def check_shares(self) -> None:
        """Raise SharingPaused if this member has paused sharing."""
        if self.paused_since:
            raise SharingPaused(f"you paused sharing {ago(self.paused_since)}")

    def _heard_pauses(self, news: PausesHeard) -> None:
        self._changed.set()
        for one in news.pauses:
            if one.by != self._identity.key:
                self._on_event(TeamEvent("paused" if one.since else "resumed", self.roster.name_of(one.by)))

    def paused_at(self, member: str) -> float:
        """Return when a teammate paused sharing, as last reported; 0: not paused."""
        entry = self.roster.members.get(member)
        said = self._exchange.pauses.known.get(entry.key) if entry is not None else None
        return min(said.since, now_ms()) / 1e3 if said is not None else 0.0

    def _remember(self, tip: str, key: Key, sequence: int) -> None:
        self._tips[tip] = (key, sequence)
        while len(self._tips) > REMEMBERED_TIPS:
            del self._tips[next(iter(self._tips))]

    def holders(self, tip: str) -> set[str]:
        """Return the teammates who said they hold this tip, or a later one of the branch."""
        if tip not in self._tips:
            return set()
        return self._exchange.holders(*self._tips[tip])

    def refusals(self, tip: str) -> dict[str, str]:
        """Return why teammates refused this tip, or a later one of the branch, by name."""
        if tip not in self._tips:
            return {}
        key, sequence = self._tips[tip]
        declined = [one[key] for one in self._exchange.refusals.values() if key in one]
        return {one.peer: one.reason for one in declined if one.state.sequence >= sequence}

    def refusals_of(self, branch: str) -> dict[str, str]:
        """Return why teammates refused my branch's newest state, or my landing, by name."""
        live = Key(self.member, BranchKind.LIVE, branch.encode())
        return {
            peer: declined.reason
            for peer, by_key in self._exchange.refusals.items()
            for key, declined in by_key.items()
            if key == live or key.kind is BranchKind.LANDED
        }

    def offer_again(self, branch: str, peers: Iterable[str]) -> None:
        """Offer my branch's newest state again to those of `peers` who refused it: they may accept it now."""
        key = Key(self.member, BranchKind.LIVE, branch.encode())
        for peer in self._conversations.connected().intersection(peers):
            if self._exchange.refusals.get(peer, {}).pop(key, None) is not None:
                self._conversations.do(self._exchange.offer_again(peer, key))

    def ask_again(self) -> None:
        """Request everything again that could not be received, for a reason that may be gone by now."""
        self._conversations.do(self._exchange.retry_all())

    def held_by(self, peer: str, branch: str) -> str | None:
        """Return the newest tip of my branch that a teammate said they hold."""
        return self._exchange.held_by(peer, Key(self.member, BranchKind.LIVE, branch.encode()))

    def notices(self) -> list[Notice]:
        """Return what else the user should know about the team."""
        told: list[Notice] = [*self.disputes(), *self._listener.notices()]
        if self.roster.dropped:
            told.append(AdmissionsDropped(self.roster.dropped))
        told += self._now.invitations.notices()
        told += self._vouched()
        return told + [NoConnection(name, why[:MOST_WORDS]) for name, why in self._conversations.refused().items()]

    def _vouched(self) -> list[Notice]:
        """Return the new keys that members vouch for, without enough of them yet."""
        return [
            NewKeyVouched(new.name, old.name, by, readable_fingerprint(new.key))
            for old, new, by in islice(self.roster.vouched_keys(), MOST_DISPUTES)
        ]

    def failing(self) -> list[Failing]:
        """Return the failures of this team's background work."""
        return self._background.failing()

    def disputes(self) -> list[Dispute]:
        """Return members' statements that do not count here: about the roster, and contradicting states.

        What is kept of such a state is listed by `asides`.
        """
        kept = {(one.branch, one.tip) for one in self.asides()}
        forks = [
            StateContradicted(known.key.member, os.fsdecode(known.key.branch), other.tip, known.tip)
            for known, other in self._exchange.forks()
            if (other.as_aside().key.branch_name, other.tip) not in kept
        ]
        return [*map(self._dispute, self.roster.rivals), *forks][:MOST_DISPUTES]

    def _dispute(self, rival: Rival) -> Dispute:
        said, counts = rival.admission, rival.counts
        found = (self.roster.by_key(one.admitter) for one in (said, counts))
        by, first = (one.name if one is not None else "" for one in found)
        if said.key == said.admitter:
            return NameTakenAlready(by, said.name, counts.name)
        if said.key == counts.key:
            return AdmittedTwice(by, counts.name, said.name)
        return NameAdmittedTwice(by, said.name, first, counts.name)

    # Teammates' states.

    def teammates(self) -> list[KnownBranch]:
        """Return every teammate's live branches; a teammate without any state yet has no tip.

        A former member has no teammates.
        """
        connected = self._conversations.connected()
        found: list[KnownBranch] = []
        if self._exchange.is_out:
            return found
        for name in sorted(set(self.roster.members) - {self.member}):
            states = [state for key, state in self._exchange.known.items() if key.member == name and not key.aside]
            live = sorted(
                (state for state in states if state.key.kind is BranchKind.LIVE), key=lambda one: one.key.branch
            )
            now = (name in connected, self._exchange.why_not_taken(name))
            found += [KnownBranch(name, one.key.branch.decode(), one.tip, one.base, one.time, *now) for one in live]
            if not live:
                found.append(KnownBranch(name, name, None, None, self.roster.member(name).time, *now))
        return found

    def asides(self) -> list[KnownBranch]:
        """Return the states kept aside, of my own branches too, newest first."""
        states = [state for key, state in self._exchange.known.items() if key.aside]
        states.sort(key=lambda state: -state.time)
        return [KnownBranch(one.key.member, one.key.branch_name, one.tip, one.base, one.time, False) for one in states]

    def landed(self) -> list[TeamLanding]:
        """Return what each member last landed on each shared branch, newest first."""
        states = [state for key, state in self._exchange.known.items() if key.kind is BranchKind.LANDED]
        states.sort(key=lambda state: state.time, reverse=True)
        return [TeamLanding(os.fsdecode(one.key.branch), one.tip, one.key.member, one.time) for one in states]

    # Purges.

    @property
    def purges(self) -> Purges:
        """Return the members' purges."""
        return self._exchange.purges

    def named_commits(self) -> list[str]:
        """Return the commits that known states name."""
        return self._exchange.shared()

    def ask_to_purge(self, ids: Iterable[str]) -> Purge:
        """Ask the team to purge some blobs; recorded before anyone sees the request."""
        purge = Purge.of(ids, self.team_id, self._identity, now_ms())
        heard = self._exchange.hear_purges([purge], [])
        if not heard and not self._exchange.is_out:
            raise TooMuchToPurge("you have already asked this team to purge as much as one member can")
        self._team.save_purges(self.purges)
        self._conversations.do(heard)
        return purge

    def answer_purge(self, purge: Purge, outcome: PurgeOutcome) -> None:
        """Tell the team the outcome of a purge here, unless they know it."""
        key = self._identity.key
        last = self.purges.answers.get((purge.digest, key))
        if last is None or last.outcome is not outcome:
            now = max(now_ms(), last.time + 1 if last is not None else 0)
            answer = PurgeAnswer(purge.digest, key, outcome, now).signed(self.team_id, self._identity)
            self._conversations.do(self._exchange.hear_purges([], [answer]))

    def open_purges(self) -> list[Purge]:
        """Return the purges that are not done here yet."""
        return self.purges.open_for(self._identity.key) if not self._exchange.is_out else []

    def purges_to_accept(self) -> list[tuple[str, PurgeOutcome, int]]:
        """Return the purges that need the user: who asks, what prevents them, and how many contents."""
        found = dict[tuple[str, PurgeOutcome], set[str]]()
        for purge in self.open_purges():
            answer = self.purges.answers.get((purge.digest, self._identity.key))
            if answer is not None and answer.outcome in (PurgeOutcome.ASKED, PurgeOutcome.IN_GIT):
                found.setdefault((self.roster.name_of(purge.by), answer.outcome), set()).update(purge.ids)
        return [(name, outcome, len(ids)) for (name, outcome), ids in found.items()]

    def replies_to(self, purge: Purge) -> dict[str, PurgeOutcome | None]:
        """Return each member's reply to a purge; None for a member who has not replied yet."""
        said = ((name, self.purges.answers.get((purge.digest, one.key))) for name, one in self.roster.members.items())
        return {name: answer.outcome if answer is not None else None for name, answer in said}

    def _heard_tickets(self, said: TicketsHeard) -> None:
        self._now.invitations.heard(said)

    def _heard_purges(self, news: PurgesHeard) -> None:
        self._changed.set()
        for name in {self.roster.name_of(purge.by) for purge in news.purges} - {self.member}:
            self._on_event(TeamEvent("purge", name))

    # Comments.

    @property
    def talk(self) -> TeamTalk:
        """Return the members' comments."""
        return self._now.talk

    def say(self, said: Said) -> bytes:
        """Publish a comment or the like, recorded before anyone sees it; return its digest.

        Raise TooMuchTalk, or NothingShared if this member is not in the team or has paused sharing.
        """
        if self._exchange.is_out or self.doubled:
            why = self.why_out() or f"another machine is {self.member} too"
            raise NothingShared(f"nothing is shared from this machine: {why}")
        self.check_shares()
        entry = self.talk.prepare(said, now_ms())
        self._conversations.do(self._exchange.hear_talk([entry]))
        return entry.digest

    def _keep_what_was_said(self) -> None:
        """Keep former members' comments for members who join later."""
        keep = self.talk.logs.to_keep() if not self._exchange.is_out and not self.doubled else None
        if keep is not None:
            with suppress(TooMuchTalk, SharingPaused):
                self.say(keep)

    def _heard_talk(self, news: TalkHeard) -> None:
        self.talk.write_down(news.entries)
        for entry in news.entries[-MOST_TOLD_OF:]:
            kind = KINDS_OF_TALK.get(type(entry.said))
            if kind is not None:
                self._on_event(TeamEvent(kind, self.roster.name_of(entry.by), tip=entry.digest.hex()))

    # Membership.

    async def invite(self, listen: str | None = None, valid_ms: int = VALID_MS, uses: int = 1) -> InviteMade:
        """Create a ticket, as `Invitations.invite` does; a former member founds their own team first."""
        if self._exchange.is_out:
            await self._found_again()
        return await self._now.invitations.invite(listen, valid_ms, uses)

    def tickets(self) -> list[TicketRecord]:
        """Return the tickets that were created here, newest first."""
        return self._now.invitations.listed()

    def revoke(self, id: str) -> None:
        """Revoke the ticket whose id begins with `id`; raise UnknownTicket."""
        self._now.invitations.revoke(id)

    async def let_in(self, request: pb.JoinRequest) -> pb.JoinResponse:
        """Admit the holder of a ticket to the team, or raise the reason: then the ticket is still valid."""
        return await self._now.invitations.let_in(request)

    async def join(
        self,
        ticket: str,
        name: str,
        rename: Callable[[], Awaitable[None]] | None = None,
        listener: PeerListener | None = None,
        admission: Admission | None = None,
    ) -> None:
        """Leave my own team for the ticket's team, under the name `name`.

        `listener`: that of another member, which this repository becomes, and `admission`: another member's admission
        of it. `rename` is called once `member` is the new name and before anyone is connected: it renames the live
        branches here. Branches here whose names belong to others in that team are set aside.

        If another machine is the same member, or this member was removed, this repository may join its current or
        former team as another member.

        Raises BadTicket, BadName, NameTaken, UnrelatedHistory, PeerUnreachable, PeerRefused, or NotPossibleNow if this
        repository is in a team with others; then nothing has changed.
        """
        parsed = Ticket.parse(ticket)
        check_member_name(name)
        is_out = self._exchange.is_out
        if len(self.roster.members) > 1 and not self.doubled and not is_out:
            raise InAnotherTeam("this repository is already in a team with others", team=self.team_id)
        if parsed.team == self.team_id and not self.doubled and not is_out:
            raise AlreadyInTeam("this repository is already in the team of the ticket", team=self.team_id)
        become = listener or self._listener
        roster = await present(parsed, name, become.identity, self._store, self._owner, admission, as_hub=self._is_hub)
        team = await asyncio.to_thread(Team.new, become.home, roster, self._store)
        await self._change_to(team, become, rename)

    async def rename(self, name: str, rename_branches: Callable[[], Awaitable[None]]) -> None:
        """Rename this member everywhere; the previous name is not assigned again.

        `rename_branches` renames the live branches here, once `member` is the new name and before anyone is connected.
        Raises BadName, NameTaken, NotInTeam or NotPossibleNow; then nothing has changed. Once recorded it takes effect,
        even if the daemon is killed on the way.
        """
        if self.doubled:
            raise NothingShared("another machine is the same member: give one of the two its own name first")
        if name.encode() in {key.branch for key in self._exchange.known if key.kind is BranchKind.LIVE}:
            raise NameTaken(f"the team has a branch named {name} already", name=name)
        now = now_ms()
        entry = self.roster.rename(self._identity, name, now)
        try:
            self._team.save_roster()
        except OSError:
            self.roster.forget(entry, now)
            raise
        await self.follow_name(rename_branches)

    async def follow_name(self, rename_branches: Callable[[], Awaitable[None]]) -> None:
        """Continue under the name that this member has in the roster."""
        await self._leave()
        self._tips.clear()
        said = [entry for _, entry in self.talk.logs.entries()]
        known = await self._owner.run(still_here, self._store, self._team)
        self._now = self._member_of(KeptTeam(self._team, known, said))
        await rename_branches()
        await self._come_in()

    def remove(self, name: str, *, with_invited: bool = False, restore: bool = False) -> list[str]:
        """Remove a member, tell everyone, and return the names of all members removed.

        See `Roster.remove`, also for what it raises. Nothing is sent before it is recorded.
        """
        before = dict(self.roster.members)
        said = self.roster.remove(self._identity, name, now_ms(), with_invited=with_invited, restore=restore)
        self._said(said, before)
        return [self.roster.name_of(one.key) for one in said]

    def vouch(self, name: str, lost: str) -> list[str]:
        """Vouch that the member `name` is the one named `lost`, with a new key; return who has done so by now.

        See `Roster.vouch`, also for what it raises. Nothing is sent before it is recorded.
        """
        before, now = dict(self.roster.members), now_ms()
        said, removals = self.roster.vouch(self._identity, name, lost, now)
        self._said(removals, before, [said])
        return self.roster.vouched_by(said.old, said.new)

    def _remove_lost(self) -> None:
        """Remove the key of a member for whose new one this member vouched, and others since."""
        before = dict(self.roster.members)
        removals = self.roster.remove_lost(self._identity, now_ms())
        if not removals:
            return
        try:
            self._said(removals, before)
        except OSError as failure:  # the next start tries again
            log.warning("the lost key of a member could not be removed: %s", failure)

    async def leave(self) -> list[str]:
        """Leave the team, and return who was told; the others learn it from these, or at the next call."""
        told = sorted(self._conversations.connected())
        before = dict(self.roster.members)
        self._said([self.roster.leave(self._identity, now_ms())], before)
        await self._conversations.until_parted()
        return told

    def _said(self, removals: list[Removal], before: Mapping[str, Admission], vouches: Sequence[Vouch] = ()) -> None:
        try:
            self._team.save_roster()
        except OSError:
            for vouch in vouches:
                self.roster.unsay(vouch, now_ms())
            self.roster.withdraw(removals, now_ms())
            raise
        jobs = self._exchange.review(before)
        self._exchange.spread([], [], removals=removals, vouches=vouches)
        self._conversations.do([Learned(removals=tuple(removals), vouches=tuple(vouches)), *jobs])

    async def _found_again(self) -> None:
        """Found a team of this member's own, replacing the one that they are no longer in."""
        roster = Roster.found(self._identity, self.member, now_ms())
        team = await asyncio.to_thread(Team.new, self._home, roster, self._store)
        await self._change_to(team, self._listener)
        self._on_event(TeamEvent("back", self.member))

    @property
    def out(self) -> Removal | None:
        """The removal that put this member out of the team; None: they are in it."""
        return next(iter(self.roster.out_by(self._identity.key)), None) if self._exchange.is_out else None

    def earlier_names(self) -> list[str]:
        """Return this member's earlier names."""
        return [name for name, key in self.roster.previous.items() if key == self._identity.key]

    def why_out(self) -> str:
        """Return why this member is not in the team, for messages; empty: they are in it."""
        if not self._exchange.is_out:
            return ""
        removal = self.out
        if removal is None:
            return "you are not in the team"
        if removal.key != self._identity.key:
            return f"you are not in the team: {self.roster.name_of(removal.key)}, who let you in, was removed from it"
        if removal.is_leaving:
            return "you left the team"
        return f"{self.roster.name_of(removal.remover)} removed you from the team"

    def listening(self) -> list[str]:
        """Return the addresses that are open to the network, each with its purpose, for messages."""
        return self._listener.listening()

    def copies(self) -> list[str]:
        """Return the live branches of others that are here."""
        known = (key for key in self._exchange.known if key.member != self.member and not key.aside)
        return sorted({key.branch_name for key in known if key.kind is BranchKind.LIVE})

    def copies_of_each(self) -> dict[str, set[str]]:
        """Return the live branches of others that each teammate said they hold."""
        return {name: self._exchange.copies_of(name) for name in self.roster.members}

    def out_at(self) -> float:
        """Return when the removal that put this member out was signed, in seconds since the epoch."""
        return self.out.time / 1e3 if self.out is not None else 0.0

    def everyone(self) -> list[MemberRecord]:
        """Return the members in the order in which they joined, then the former members."""
        return [self._as_member(entry) for entry in (*self.roster.members.values(), *self.roster.former.values())]

    def is_hub(self, name: str) -> bool:
        """Return whether a member, who has been connected since this daemon started, is a hub."""
        if name == self.member:
            return self._is_hub
        hello = self._conversations.hellos.get(name)
        return hello is not None and hello.hub

    def verified(self, fingerprint: str) -> list[MemberRecord]:
        """Return who has the key with a fingerprint; raise BadFingerprint or UnknownFingerprint."""
        wanted = parse_fingerprint(fingerprint)
        found = [one for one in self.everyone() if one.fingerprint == wanted]
        if not found:
            raise UnknownFingerprint("no member of the team, and no former one, has a key with this fingerprint")
        return found

    def _as_member(self, entry: Admission) -> MemberRecord:
        said = max((state.time for key, state in self._exchange.known.items() if key.member == entry.name), default=0)
        removal = next(iter(self.roster.departures.of(entry.key)), None)
        contact, hello = self.roster.contacts.get(entry.key), self._conversations.hellos.get(entry.name)
        origin, is_me = self.roster.origins.get(entry.key, entry), entry.key == self._identity.key
        previous, owner = self.roster.previous, owner_of(entry.name)
        person = self.roster.name_of(previous[owner]) if owner in previous else owner
        return MemberRecord(
            name=entry.name,
            fingerprint=readable_fingerprint(entry.key),
            since=origin.time / 1e3,
            admitted_by="" if origin.admitter == origin.key else self.roster.name_of(origin.admitter),
            is_me=is_me,
            connected=is_me or entry.name in self._conversations.connected(),
            through=self.reach.through(entry.name) if not is_me else [],
            seen_at=max(said / 1e3, self.reach.seen_at(entry.key)),
            removed_by=self.roster.name_of(removal.remover) if removal is not None else "",
            removed_at=removal.time / 1e3 if removal is not None else 0.0,
            person=person if person in self.roster.names else entry.name,
            formerly=[name for name, key in previous.items() if key == entry.key],
            addresses=list(contact.addresses) if contact is not None and removal is None else [],
            version=own_release() if is_me else hello.bough if hello is not None else "",
            hub=self.is_hub(entry.name),
        )

    # Calls of the listener and the connections.

    async def welcome(self, caller: Admission, pipe: Pipe) -> None:
        """Serve a member who has called, or tell a former one why they are turned away."""
        await self._conversations.welcome(caller, pipe)

    async def be_met(self, request: pb.MeetRequest) -> pb.MeetResponse:
        """Exchange addresses between a member and the team; raise PeerRefused for anyone else."""
        return await self.reach.be_met(request)

    def is_member_of(self, team: str) -> bool:
        """Return whether the repository is in this team, and no other machine is this member."""
        return team == self.team_id and not self.doubled and not self._exchange.is_out

    def speaks_otherwise(self, member: str) -> None:
        """Record that a member runs an incompatible version of Bough."""
        self.reach.speaks_otherwise(member)

    def moved(self) -> None:
        """Tell the team where this daemon listens, if that has changed."""
        self.reach.moved()

    def network_changed(self, *, slept: bool) -> None:
        """Reconnect after this machine's network has changed, or after it was asleep."""
        self.reach.network_changed(slept=slept)

    def _presence(self, member: str, here: bool) -> None:
        self.reach.presence(member, here=here)
        if member in self.roster.members:
            self._now.invitations.seen(self.roster.member(member).key)
            if here:
                self._now.invitations.greet(member)
        self._on_event(TeamEvent("connected" if here else "disconnected", member))

    def _took(self, state: State) -> None:
        self._coming.pop(state.key, None)
        kind = "kept" if state.key.aside else "tip" if state.key.kind is BranchKind.LIVE else "landed"
        self._on_event(TeamEvent(kind, state.key.member, state.key.branch_name, state.tip))

    def _confirmed(self, peer: str, state: State) -> None:
        self._on_event(TeamEvent("held", peer, os.fsdecode(state.key.branch), state.tip))

    def _declined(self, declined: Declined) -> None:
        branch = os.fsdecode(declined.state.key.branch)
        log.warning("%s did not take %s at %s: %s", declined.peer, branch, declined.state.tip, declined.reason)
        will_not = declined.state.key.kind is BranchKind.LIVE and not declined.for_now
        self._on_event(TeamEvent("refused" if will_not else "postponed", declined.peer, branch, declined.state.tip))

    def _learned(self, news: Learned) -> None:
        self._team.save_roster()
        self._listener.refresh()
        self._conversations.part()
        self.reach.learned(news)
        for entry in news.admissions:
            if self.roster.members.get(entry.name) == entry:
                self._on_event(TeamEvent("renamed" if entry.key == entry.admitter else "member", entry.name))
        for vouch in news.vouches:
            if self.roster.heirs.get(vouch.old) == vouch.new:
                self._on_event(TeamEvent("renamed", self.roster.name_of(vouch.new)))
        self._team.carry_taken()
        if not self._exchange.is_out and self.roster.name_of(self._identity.key) != self.member:
            self._on_event(TeamEvent("called", self.member))
        for removal in news.removals:
            if removal in self.roster.departures.of(removal.key) and removal.key != self._identity.key:
                self._on_event(TeamEvent("left" if removal.is_leaving else "removed", self.roster.name_of(removal.key)))
        if news.removals:
            self._keep_what_was_said()
        self._notice_own_part()
        if news.vouches or news.removals:
            self._remove_lost()
        mine = [entry.name for entry in news.admissions if entry.admitter == self._identity.key]
        if self.doubled and any(name.startswith(f"{self.member}+") for name in mine):
            self._go_on_alone()

    def _notice_own_part(self) -> None:
        """Check whether this member has been removed, or is in the team again."""
        is_out = self._exchange.is_out
        if is_out == self._was_out:
            return
        self._was_out = is_out
        self._now.invitations.look_again()
        log.warning("%s %s team %s", self.member, "is no longer in" if is_out else "is again in", self.team_id)
        if is_out:
            self._on_event(TeamEvent("out", self.member))
        else:
            self.moved()
            self._on_event(TeamEvent("back", self.member))

    def _go_on_alone(self) -> None:
        """Resume sharing: the other machine has become a separate member."""
        self.doubled, self._began = False, now_ms()
        self.reach.announce()
        for key in [key for key in self._exchange.known if key.member == self.member and not key.aside]:
            self._background.keep("publishing above the state of another machine", partial(self._publish_again, key))
        self._on_event(TeamEvent("alone", self.member))

    def _seen_elsewhere(self, time: int) -> None:
        """Record that another machine signed with my key; anything older than this start may be from a lost disk.

        Then the addresses may be old ones, too, and teammates have to hear where this machine is.
        """
        if self.doubled:
            return
        if time <= self._began:
            self.moved()
            return
        log.warning("another machine is %s in team %s, too; nothing of this one is shared", self.member, self.team_id)
        self.doubled = True
        self.reach.announce()  # so that the other machine learns of this one
        self._on_event(TeamEvent("doubled", self.member))

    def _number_above(self, state: State) -> None:
        """Have the next state of a branch numbered above one that peers know; see whether another machine signed it."""
        self._seen_elsewhere(state.time)
        self._team.sequences[state.key] = max(state.sequence, self._team.sequences.get(state.key, 0))

    def _behind(self, state: State) -> None:
        """Publish what is here again, above the state that peers know."""
        self._number_above(state)
        self._background.keep("publishing above the state that peers know", partial(self._publish_again, state.key))
        self._on_event(TeamEvent("behind", self.member, os.fsdecode(state.key.branch), state.tip))

    def _signed(self, peer: str, state: State) -> None:
        """Fetch and keep a state of this member whose tip is not here."""

        async def look() -> None:
            is_purged = state.tip in self._store.purged.moved
            if not is_purged and not await self._owner.run(self._store.objects.exists, state.tip):
                self._conversations.do(self._exchange.keep_aside(peer, state))

        self._background.begin("looking for snapshots that this machine has lost", look)

    # Saving.

    async def _record(self, state: State, left: State | None = None) -> None:
        """Save a state that is to be known here, and the one of its branch that it left behind."""
        coming = [state] if left is None else [state, left.as_aside()]
        self._coming |= {one.key: one for one in coming}
        try:
            await self._save_states()
        except BaseException:
            for one in coming:
                self._coming.pop(one.key, None)
            raise

    async def _save_states(self) -> None:
        """Save what is known and what is coming, with one write for all who wait meanwhile."""
        self._due += 1
        mine = self._due
        async with self._saving:
            if self._saved >= mine:
                return
            due, states = self._due, self._exchange.known | self._coming
            await to_the_end(asyncio.to_thread(self._team.save_states, states.values()))
            self._team.save_purges(self.purges)
            self._team.save_pauses(self._exchange.pauses)
            self._saved = due

    async def _keep_saving(self) -> None:
        """Save what was received: one write for everything that came during the previous one."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._save_states()
            except BaseException:
                self._changed.set()
                raise
