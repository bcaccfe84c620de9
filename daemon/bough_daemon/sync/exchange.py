"""The protocol between teammates, without sockets, clock or git.

Each member announces the newest state of every branch that it holds, its own and others', to every peer; a peer that
lacks one requests a pack, receives it and passes it on. Each of my states is in transit to each peer at most once, and
the next one sent is the newest: a slow peer gets the latest, not a backlog. A peer's confirmations show what it lacks,
so the pack of a fresh save is sent without a request.

`Exchange` is told what happens and returns the jobs that follow, for a caller with git and a network; what must be said
to a peer waits in that peer's `Link` until `next_word` takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from bough_daemon.budgets import MOST_ARRIVING
from bough_daemon.errors import PeerRefused
from bough_daemon.faults import fault_of
from bough_daemon.store.packs import Limits, Spool
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
from bough_daemon.sync.links import Incoming, Link, Outgoing
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
    TalkPositions,
    TalkWords,
    Want,
)
from bough_daemon.sync.relay import Relay
from bough_daemon.system.text import bounded
from bough_daemon.talk.entries import TalkEntry
from bough_daemon.talk.logs import Logs
from bough_daemon.team.branch_state import (
    MOST_ASIDES,
    MOST_BRANCHES,
    BranchKind,
    Key,
    State,
    check_state,
    may_count_later,
)
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity
from bough_daemon.team.invites import Invite, TicketUse
from bough_daemon.team.pauses import MemberPause, Pauses
from bough_daemon.team.purges import Purge, PurgeAnswer, Purges
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission, Contact, Roster
from bough_daemon.team.vouches import Vouch

MOST_BROKEN = 8  # interrupted packs that are kept so that their receivers can resume
MOST_UNTAKEN = 1000  # branches for which the reason is kept why their newest state is not here
SIGNED_TWICE = "{0} signed two different states with the same sequence number; the first one received counts"


def _sequence(states: dict[Key, State], key: Key) -> int:
    state = states.get(key)
    return state.sequence if state is not None else 0


def _covers(held: State, state: State) -> bool:
    """Return whether a peer that holds one state of a branch needs no other; it does where the two contradict."""
    return held.sequence > state.sequence or (held.sequence == state.sequence and held.tip == state.tip)


class Exchange:
    """The state of one member's exchange in one team.

    `key`: what this member signs with. `known`: the newest state of each branch whose objects are here; `confirmed` and
    `refusals`: by member, what became of this member's states. `spool` returns an empty spool for a pack. `identity`:
    signs receipts; None: there are none.
    """

    def __init__(
        self,
        member: str,
        roster: Roster,
        spool: Callable[[], Spool],
        limits: Limits,
        key: bytes = b"",
        identity: Identity | None = None,
    ) -> None:
        self.member = member
        self.roster = roster
        self.key = key or roster.member(member).key
        self.known: dict[Key, State] = {}
        self.links: dict[str, Link] = {}
        self._touched: set[str] = set()  # peers for whom there may be new messages since the last check
        self.confirmed: dict[str, dict[Key, State]] = {}
        self.refusals: dict[str, dict[Key, Declined]] = {}
        self.purges = Purges(roster)
        hello = Hello(roster.team, relays=True, talks=True, bundles=True)
        self.hello: Callable[[], Hello] = lambda: hello  # this member's hello
        self.talk = Logs(roster)
        self.pauses = Pauses(roster)
        self._spool = spool
        self._limits = limits
        self._fetching: dict[Key, FindHaves] = {}
        self._waiting: set[Key] = set()  # keys that are fetched once the peer with the newest state has a free place
        self._taking: dict[Key, TakePack] = {}
        self._untaken: dict[Key, tuple[State, str]] = {}
        self._forks: dict[Key, State] = {}  # of two states with the same number, the one that is not known here
        self._partial: dict[tuple[str, Key], Incoming] = {}
        self._broken: dict[tuple[str, Key], Outgoing] = {}
        told = (lambda one: self.known.get(one)), self._untaken.get, self._keys_of
        self.relay = Relay(roster, self.links, self._touched, *told, identity)

    def _keys_of(self, member: str) -> list[Key]:
        return [one for one in self.known if one.member == member]

    def shared(self) -> list[str]:
        """Return the commits that the known states name, newest first: from these the team's shared history starts."""
        latest = sorted(self.known.values(), key=lambda state: (state.key.member != self.member, -state.time))
        return list(dict.fromkeys(oid for state in latest for oid in (state.tip, state.base)))

    # Events on this machine.

    def publish(self, state: State) -> list[Job]:
        """Announce a new state of this member, whose objects are in the store.

        With a new base the team shares more, and so may have what another's state lacked.
        """
        before = self.known.get(state.key)
        self.known[state.key] = state
        again = self.retry_all() if before is None or before.base != state.base else []
        return [*self._offer_to_all(state.key), *again]

    def hear_pauses(self, said: Iterable[MemberPause], besides: str = "") -> list[Job]:
        """Record who has paused sharing, and pass the news on to everyone except `besides`."""
        new = self.pauses.merge(said)
        for name, link in self.links.items() if new else ():
            if name != besides and not link.parting:
                link.pauses |= {one.by: one for one in new}
                self._touched.add(name)
        return [PausesHeard(tuple(new))] if new else []

    @property
    def is_out(self) -> bool:
        """Return whether this member is no longer in the team: then nothing is sent or accepted."""
        return self.roster.by_key(self.key) is None

    def spread(
        self,
        admissions: Iterable[Admission],
        contacts: Iterable[Contact],
        besides: str = "",
        removals: Iterable[Removal] = (),
        vouches: Iterable[Vouch] = (),
    ) -> None:
        """Send news of the roster to everyone except `besides`."""
        self._touched.update(self.links)
        for name, link in self.links.items():
            if name != besides and not link.parting:
                link.admissions |= {entry.digest: entry for entry in admissions}
                link.contacts |= {entry.key: entry for entry in contacts}
                link.removals |= {(entry.key, entry.remover): entry for entry in removals}
                link.vouches |= {(entry.by, entry.old): entry for entry in vouches}

    def spread_tickets(
        self, invites: Iterable[Invite], uses: Iterable[TicketUse], *, besides: str = "", to: str | None = None
    ) -> None:
        """Send news of tickets and of who joined with them to everyone except `besides`, or only to `to`."""
        self._touched.update(self.links)
        for name, link in self.links.items():
            if name != besides and to in (None, name) and not link.parting:
                link.invites |= {one.key: one for one in invites}
                link.ticket_uses |= {(one.ticket, one.key): one for one in uses}

    def connected(
        self, peer: str, *, relays: bool = True, talks: bool = True, carried_apart: bool = False
    ) -> list[Job]:
        """Begin to talk with a peer: the roster first, so that it can verify what follows.

        `carried_apart`: large packs go on a stream of their own, from which `next_chunk` takes them.
        """
        link = self.links[peer] = Link(relays=relays, talks=talks)
        self._touched.add(peer)
        link.apart_above = self._limits.small if carried_apart else math.inf
        link.admissions = dict(self.roster.admissions)
        link.contacts = dict(self.roster.contacts)
        link.removals = dict(self.roster.removals)
        link.vouches = dict(self.roster.vouches)
        link.purges = {one.digest: one for one in self.purges.counting()}
        link.purge_answers = {(one.purge, one.by): one for one in self.purges.answers_counting()}
        self.relay.connected(peer)
        link.pauses = {one.by: one for one in self.pauses.counting()}
        link.positions = tuple(self.talk.positions()) if talks else None
        return [job for key in list(self.known) for job in self._offer(peer, key)]

    def disconnected(self, peer: str) -> list[Job]:
        """Stop exchanging with a peer. Interrupted packs are kept for a while, and requested elsewhere."""
        link = self.links.pop(peer)
        self.relay.disconnected(peer)
        for key, incoming in link.incoming.items():
            self._keep_partial(peer, key, incoming)
        for key, outgoing in link.outgoing.items():
            self._keep_broken(peer, key, outgoing)
        fetched = [key for key, job in self._fetching.items() if job.peer == peer]
        for key in fetched:
            del self._fetching[key]
        return [*(job for key in fetched for job in self._fetch(key)), *self._fetch_waiting()]

    def close(self) -> None:
        """Close every pack in transit."""
        for link in self.links.values():
            link.close()
        self.links.clear()
        parts = [part.spool for part in self._partial.values()] + [part.spool for part in self._broken.values()]
        for spool in parts + [job.spool for job in self._taking.values()]:
            spool.close()

    # Finished jobs.

    def pack_made(self, job: MakePack, made: tuple[Spool, str] | None) -> list[Job]:
        """Send a pack (None: it could not be made), or, unasked and large, only the news until the peer asks."""
        link, key = self.links.get(job.peer), job.state.key
        self._touched.add(job.peer)
        stale = link is None or link.making.get(key) is not job
        if link is None or stale:
            if made is not None:
                made[0].close()
            return []
        del link.making[key]
        if made is not None and (job.asked is not None or made[0].size <= self._limits.inline):
            link.send(Outgoing(job.state, made[1], made[0]))
        elif job.asked is None:
            if made is not None:
                link.keep_ready(Outgoing(job.state, made[1], made[0]))
            link.announcements[key] = None
        else:
            link.offered.pop(key, None)
            link.declined[key] = job.state.sequence
            link.answer(Refused(key, job.asked.sequence, "the pack could not be made"))
        return []

    def ask(self, job: FindHaves, haves: tuple[str, ...], shallow: tuple[str, ...]) -> list[Job]:
        """Request a state from a peer, resuming an interrupted pack."""
        link, key = self.links.get(job.peer), job.state.key
        self._touched.add(job.peer)
        if link is None or self._fetching.get(key) is not job:
            return self._fetch(key)
        want = Want(key, job.state.sequence, haves, shallow)
        partial = self._partial.pop((job.peer, key), None)
        if partial is not None:
            link.incoming[key] = partial
            want = replace(want, pack=partial.pack, offset=partial.spool.size)
        link.wants[key] = want
        return []

    def pack_taken(self, job: TakePack, failure: NotTaken | None) -> list[Job]:
        """Pass on a state that is here now; or, if its pack was bad, try another source."""
        job.spool.close()
        self._taking.pop(job.state.key, None)
        return [
            *(self._now_known(job.state) if failure is None else self._failed(job, failure)),
            *self._fetch_waiting(),
        ]

    def _now_known(self, state: State) -> list[Job]:
        if state.sequence > _sequence(self.known, state.key) and self._counts(state):
            self.known[state.key] = state
        forks = list[Job]()
        for peer, link in self.links.items():
            held = link.holds.get(state.key)
            if held is not None and self._is_fork(held) and state.key in link.owed:
                link.owed.discard(state.key)
                forks += self._hear_fork(peer, link, held)
        self.relay.took(state.key)
        return [*forks, *self._settled(state.key)]

    def not_asked(self, job: FindHaves, failure: NotTaken) -> list[Job]:
        """Drop a state that should not be requested."""
        return [*self._failed(job, failure), *self._fetch_waiting()]

    def _failed(self, job: TakePack | FindHaves, failure: NotTaken) -> list[Job]:
        key, link = job.state.key, self.links.get(job.peer)
        self._note_untaken(job.state, failure.reason, failure.for_now)
        self._touched.add(job.peer)
        asked = self._is_fetching(key, job.peer)
        if link is not None and asked:
            link.unable[key] = job.state.sequence
            link.owed.discard(key)
            link.answer(Refused(key, job.state.sequence, bounded(failure.reason), failure.for_now))
        if asked:
            del self._fetching[key]
        return self._fetch(key)

    def abandon(self, job: MakePack | FindHaves | TakePack) -> list[Job]:
        """Release a job that nobody will finish; the connection with its peer has to be restarted.

        What it would have brought is requested elsewhere.
        """
        key, link = job.state.key, self.links.get(job.peer)
        if isinstance(job, MakePack):
            if link is not None and link.making.get(key) is job:
                del link.making[key]
            return []
        if isinstance(job, TakePack):
            job.spool.close()
            if self._taking.get(key) is job:
                del self._taking[key]
        if self._is_fetching(key, job.peer):
            del self._fetching[key]
        if link is not None:
            link.unable[key] = max(job.state.sequence, link.unable.get(key, 0))
        return self._fetch(key)

    def retry(self, key: Key) -> list[Job]:
        """Request a state again that could not be received, for a reason that may be gone by now."""
        for link in self.links.values():
            link.unable.pop(key, None)
        return self._fetch(key)

    def retry_all(self) -> list[Job]:
        """Request every state again that could not be received."""
        return [job for key in list(self._untaken) for job in self.retry(key)]

    def offer_again(self, peer: str, key: Key) -> list[Job]:
        """Offer a peer a state again whose pack could not be made, for a reason that may be gone by now."""
        link = self.links.get(peer)
        if link is None:
            return []
        link.declined.pop(key, None)
        return self._offer(peer, key)

    # A peer's messages.

    def hear(self, peer: str, word: Message, now: int) -> list[Job]:
        """Process a message of a connected peer; return the jobs that follow; `now`: milliseconds since the epoch."""
        link = self.links[peer]
        if link.parting:
            return []
        self._touched.add(peer)
        match word:
            case Gossip():
                return self._hear_gossip(peer, word, now)
            case Announce(state):
                return self._hear_announcement(peer, link, state)
            case Held(key, sequence):
                return self._hear_held(peer, link, key, sequence)
            case Refused():
                return self._hear_refused(peer, link, word)
            case Want():
                return self._hear_want(peer, link, word)
            case Chunk():
                return self._hear_chunk(peer, link, word)
            case Reach():
                self.relay.hear_reach(peer, word)
                return []
            case Receipt():
                return self._hear_receipt(peer, word)
            case TalkPositions(digests):
                # Ahead of what came meanwhile: an entry is accepted after its predecessor.
                link.talk = {entry.digest: entry for entry in self.talk.lacking(digests)} | link.talk
                return []
            case TalkWords(entries):
                return self.hear_talk(entries, peer)
            case SharingPauses(pauses):
                return self.hear_pauses(pauses, peer)
            case Hello() | Delivered():
                return []

    def hear_apart(self, peer: str, word: Message, now: int) -> list[Job]:
        """Take in what came on the stream for packs; raise PeerRefused for anything but a part of one."""
        if not isinstance(word, Chunk):
            raise PeerRefused(f"{peer} sent something other than packs on the stream for packs")
        self.links[peer].arrived += len(word.data)
        return self.hear(peer, word, now)

    def hear_delivered(self, peer: str, word: Delivered, now: float) -> None:
        """Note how much of what was sent on the stream for packs has arrived; `now`: seconds, monotonic."""
        self.links[peer].window.arrived(word.count, now)
        self._touched.add(peer)

    def learn(self, said: Gossip, now: int) -> list[Job]:
        """Process what a member said about the team outside of a connection."""
        return self._hear_gossip("", said, now)

    def _hear_gossip(self, peer: str, said: Gossip, now: int) -> list[Job]:
        before = dict(self.roster.members)
        entries, addresses = self.roster.merge(said.admissions, said.contacts, now)
        removals = self.roster.merge_removals(said.removals, now)
        vouches = self.roster.merge_vouches(said.vouches, now)
        entries += self.roster.merge_early(now) if vouches else []
        heard = self.hear_purges(said.purges, said.purge_answers, peer)
        if said.invites or said.ticket_uses:
            heard.append(TicketsHeard(peer, said.invites, said.ticket_uses))
        if not entries and not addresses and not removals and not vouches:
            return heard
        jobs = self.review(before) if entries or removals or vouches else []
        self.spread(entries, addresses, peer, removals, vouches)
        learned = Learned(tuple(entries), tuple(addresses), tuple(removals), tuple(vouches))
        return [learned, *self._doubled(addresses), *jobs, *heard]

    def _doubled(self, addresses: Iterable[Contact]) -> list[Job]:
        return [Doubled(one.time) for one in addresses if one.key == self.key]

    def hear_purges(self, purges: Iterable[Purge], answers: Iterable[PurgeAnswer], besides: str = "") -> list[Job]:
        """Process members' purges and their outcomes, and send what is new to everyone except `besides`."""
        new, said = self.purges.merge(purges, answers)
        if not new and not said:
            return []
        self._touched.update(self.links)
        for name, link in self.links.items():
            if name != besides and not link.parting:
                link.purges |= {one.digest: one for one in new}
                link.purge_answers |= {(one.purge, one.by): one for one in said}
        return [PurgesHeard(tuple(new))]

    def hear_talk(self, entries: Iterable[TalkEntry], besides: str = "") -> list[Job]:
        """Process members' comments, and send what is new to everyone except `besides`."""
        new = {entry.digest: entry for entry in self.talk.merge(entries)}
        self._touched.update(self.links)
        for name, link in self.links.items():
            if name != besides and link.talks and not link.parting:
                link.talk |= new
        return [TalkHeard(tuple(new.values()))] if new else []

    def hear_former(self, key: bytes, said: Gossip, now: int) -> list[Job]:
        """Process what may be said on a connection with a stranger, or while this member is not in the team.

        That is who is in the team: from a member everything, from a former one what readmits them.
        """
        before, entries, addresses = dict(self.roster.members), list[Admission](), list[Contact]()
        if self.roster.by_key(key) is not None:
            entries, addresses = self.roster.merge(said.admissions, said.contacts, now)
            removals = self.roster.merge_removals(said.removals, now)
        else:
            counter = self.roster.counter_removals(key, said.removals)
            removals = self.roster.merge_removals(counter, now)
        if not entries and not addresses and not removals:
            return []
        jobs = self.review(before) if entries or removals else []
        self.spread(entries, addresses, removals=removals)
        return [Learned(tuple(entries), tuple(addresses), tuple(removals)), *self._doubled(addresses), *jobs]

    def notice_for(self, key: bytes) -> Gossip:
        """Return why the holder of a key, or this member, is not in the team; empty if both are."""
        out = next((one for one in (key, self.key) if self.roster.by_key(one) is None), None)
        admissions, removals = self.roster.notice(out) if out is not None else ([], [])
        return Gossip(tuple(admissions), (), tuple(removals))

    def part(self, peer: str, key: bytes) -> None:
        """From now on send a connected peer only why one of the two is no longer in the team."""
        notice = self.notice_for(key)
        self._touched.add(peer)
        self.links[peer].part(notice.admissions, notice.removals)

    def is_parting(self, peer: str) -> bool:
        """Return whether a connected peer is sent nothing else."""
        return self.links[peer].parting

    def review(self, before: Mapping[str, Admission] = MappingProxyType({})) -> list[Job]:
        """Drop the states that no longer count, and offer those that do again, after a change of the roster.

        `before`: the previous members.
        """
        members = self.roster.members
        for key in [key for key, state in self.known.items() if not self._counts(state)]:
            del self.known[key]
            for link in self.links.values():
                link.announcements.pop(key, None)
        # A name may belong to another member now: what was said of the former one's branches does not apply.
        same = {name for name, entry in members.items() if name not in before or before[name].key == entry.key}
        for link in self.links.values():
            link.forget(same | {self.member})
        for key in [key for key in self._fetching if key.member not in same]:
            del self._fetching[key]
        for by_peer in (self.confirmed, self.refusals):
            for peer in by_peer.keys() - members.keys():
                del by_peer[peer]
        back = members.keys() - before.keys() | members.keys() - same
        jobs = [job for key in self.known if key.member in back for job in self._offer_to_all(key)]
        return jobs + [job for name in self.links for job in self._hear_early(name, back)]

    def _hear_early(self, peer: str, members: Collection[str]) -> list[Job]:
        """Process what a peer said that it holds of members, while they were not in the team here.

        The peer may have taken them for members all the time, and so does not say it again. Or it has dropped what it
        held, as I did: it is told what I hold nevertheless.
        """
        link, jobs = self.links[peer], list[Job]()
        for state in link.early_of(members) if not link.parting else ():
            if self._counts(state):
                self._touched.add(peer)
                jobs += self._hear_announcement(peer, link, state)
                link.unsure.add(state.key)
            else:
                link.note_early(state)
        return jobs

    def _counts(self, state: State) -> bool:
        """Return whether a state is this member's, or one that its member may publish and has signed."""
        if state.key.member == self.member:
            return True
        try:
            check_state(state, self.roster)
        except PeerRefused:
            return False
        return True

    def _hear_announcement(self, peer: str, link: Link, state: State) -> list[Job]:
        key = state.key
        link.unsure.discard(key)
        if not self._is_sound(link, state):
            return []
        if self._is_fork(state):
            return self._hear_fork(peer, link, state)
        if key.aside and not self._may_be_aside(peer, state):
            link.answer(Held(key, state.sequence))
            return []
        if key.member == self.member:
            link.answer(Held(key, state.sequence))
            return self._hear_of_mine(peer, link, state)
        if state.sequence > _sequence(link.holds, key):
            link.holds[key] = state
        link.owed.add(key)
        if _sequence(self.known, key) >= state.sequence:
            return self._settled(key)
        link.unable.pop(key, None)  # offered again, so it may succeed now
        return self._fetch(key)

    def _hear_of_mine(self, peer: str, link: Link, state: State) -> list[Job]:
        """Process a state of this member; one whose tip is not here was lost with a disk, or is a second machine's.

        Of a live branch, what this machine has counts, and the other is kept aside. Of landings the newest counts,
        wherever it was signed: the next one has to continue from it.
        """
        key, mine = state.key, self.known.get(state.key)
        if mine is not None and mine.tip == state.tip:
            if state.sequence > _sequence(link.holds, key):
                link.holds[key] = state
            # The same files under a later number, from before a backup was restored: the next save has to be above it.
            return [Behind(state)] if state.sequence > mine.sequence else self._offer(peer, key)
        lost: list[Job] = [Signed(peer, state)]
        if key.aside:
            return lost
        if state.sequence > _sequence(link.holds, key):
            link.holds[key] = state
        is_newer = state.sequence > _sequence(self.known, key)
        if key.kind is BranchKind.LANDED:
            return [LandedElsewhere(state), *self._fetch(key)] if is_newer else self._offer(peer, key)
        if is_newer:
            return [Behind(state), *lost]
        return [*lost, *self._offer(peer, key)]

    def _is_sound(self, link: Link, state: State) -> bool:
        """Return whether a state may be accepted; answer the peer if not."""
        key = state.key
        try:
            check_state(state, self.roster)
            if key not in self.known and key not in link.holds and self._is_crowded(key):
                what = "states that contradict each other" if key.aside else "branches"
                raise PeerRefused(f"{key.member} has too many {what}", member=key.member)
        except PeerRefused as refused:
            if not self._counts(state) and may_count_later(state, self.roster):
                link.note_early(state)
            link.answer(Refused(key, state.sequence, bounded(refused.message)))
            return False
        return True

    # Contradicting states.

    def _is_fork(self, state: State) -> bool:
        """Return whether another state with the same number is known or arriving; remember the fork then."""
        taking = self._taking.get(state.key)
        states = (self.known.get(state.key), taking.state if taking is not None else None)
        found = any(one is not None and one.sequence == state.sequence and one.tip != state.tip for one in states)
        if found:
            self._forks[state.key] = state
        return found

    def _hear_fork(self, peer: str, link: Link, state: State) -> list[Job]:
        """Refuse a state whose number another one has, and keep its tip nevertheless."""
        link.answer(Refused(state.key, state.sequence, SIGNED_TWICE.format(state.key.member)))
        self._touched.add(peer)
        is_live = state.key.kind is BranchKind.LIVE
        if state.key.member == self.member:
            return [Behind(state), *([Signed(peer, state)] if is_live else [])]
        return self.keep_aside(peer, state) if is_live else []

    def keep_aside(self, peer: str, state: State) -> list[Job]:
        """Fetch a state that `peer` holds, to be kept aside; not if there are too many."""
        aside, link = state.as_aside(), self.links.get(peer)
        if link is None or aside.key in self.known or (aside.key not in link.holds and self._is_crowded(aside.key)):
            return []
        link.holds[aside.key] = aside
        return self._fetch(aside.key)

    def _may_be_aside(self, peer: str, state: State) -> bool:
        """Return whether a state may be kept aside: its member says so, or it is mine.

        Or it contradicts what is known here. Anyone can repeat old states, which says nothing about their member.
        """
        key = state.key
        known = self.known.get(replace(key, aside=""))
        contradicts = known is not None and known.sequence == state.sequence and known.tip != state.tip
        return contradicts or peer == key.member or self.member == key.member or key in self.known

    def left_behind(self, state: State) -> list[Job]:
        """Keep a state apart from the newer one of its branch, which does not contain it."""
        aside = state.as_aside()
        self.known[aside.key] = aside
        return self._offer_to_all(aside.key)

    def crowding(self, member: str) -> list[Key]:
        """Return the states of a member, kept aside, that have to go before one more is kept; oldest first."""
        asides = sorted(
            (state for key, state in self.known.items() if key.aside and key.member == member),
            key=lambda state: (state.sequence, state.tip),
        )
        coming = {key for key in (*self._fetching, *self._taking) if key.aside and key.member == member}
        return [state.key for state in asides[: max(0, len(asides) + len(coming) - MOST_ASIDES + 1)]]

    def let_go(self, key: Key) -> None:
        """Forget a state that was kept aside."""
        self.known.pop(key, None)
        for link in self.links.values():
            link.announcements.pop(key, None)

    def _is_crowded(self, key: Key) -> bool:
        """Return whether a member already has as many states of a kind as they may, not counting this one.

        Those in transit count.
        """
        keys = set(self.known).union(*(link.holds for link in self.links.values()))
        keys.update(*(link.incoming for link in self.links.values()))
        like = (key.member, key.kind, bool(key.aside))
        count = sum((other.member, other.kind, bool(other.aside)) == like for other in keys - {key})
        return count >= (MOST_ASIDES if key.aside else MOST_BRANCHES)

    def _hear_held(self, peer: str, link: Link, key: Key, sequence: int) -> list[Job]:
        offered = link.offered.pop(key, None)
        jobs: list[Job] = []
        link.stop_sending(key, sequence)
        link.unsure.discard(key)
        if offered is not None and offered.sequence == sequence:
            if sequence > _sequence(link.holds, key):
                link.holds[key] = offered
            jobs.append(self._confirm(peer, offered))
        elif offered is not None and sequence > offered.sequence:
            link.declined[key] = max(sequence, link.declined.get(key, 0))
        return jobs + self._offer(peer, key)

    def _confirm(self, member: str, state: State) -> Confirmed:
        self.confirmed.setdefault(member, {})[state.key] = state
        self.refusals.get(member, {}).pop(state.key, None)
        return Confirmed(member, state)

    def _hear_receipt(self, peer: str, receipt: Receipt) -> list[Job]:
        """Process a distant member's receipt for a state of this member, or pass on a receipt for another member."""
        by = self.roster.by_key(receipt.by)
        before = self.confirmed.get(by.name, {}).get(receipt.key) if by is not None else None
        jobs = self.relay.hear_receipt(self.member, peer, receipt, before)
        for job in jobs:
            if isinstance(job, Confirmed):
                self._confirm(job.peer, job.state)
            if isinstance(job, Declined):
                self.refusals.setdefault(job.peer, {})[job.state.key] = job
        return jobs

    def _hear_refused(self, peer: str, link: Link, word: Refused) -> list[Job]:
        key, sequence = word.key, word.sequence
        if self._is_fetching(key, peer):
            del self._fetching[key]
            link.unable[key] = max(sequence, link.unable.get(key, 0))
            link.wasted += 1
            return [*self._fetch(key), *self._fetch_waiting()]
        offered, jobs = link.offered.pop(key, None), list[Job]()
        link.stop_sending(key, sequence)
        if offered is not None:
            link.declined[key] = max(sequence, link.declined.get(key, 0))
            if key.member == self.member and not key.aside:
                declined = Declined(peer, offered, bounded(word.reason), word.for_now)
                self.refusals.setdefault(peer, {})[key] = declined
                jobs.append(declined)
        return jobs + self._offer(peer, key)

    def _hear_want(self, peer: str, link: Link, want: Want) -> list[Job]:
        key = want.key
        state = self._state_for(key)
        if state is None or state.sequence < want.sequence:
            link.answer(Refused(key, want.sequence, "this state is not here"))
            return []
        if key in link.making and link.making[key].asked is not None:
            return []
        # One that is made unasked is replaced: if it turns out large, it would wait to be asked for.
        if not link.has_room(self._limits.pack):
            link.offered.pop(key, None)
            link.declined[key] = state.sequence
            link.answer(Refused(key, want.sequence, "too many packs are already in transit", for_now=True))
            return [OfferAgain(peer, key)]
        link.offered[key] = state
        link.announcements.pop(key, None)
        broken = self._broken.pop((peer, key), None)
        if broken is not None and (broken.pack, broken.state) == (want.pack, state) and want.offset < broken.spool.size:
            link.send(replace(broken, offset=want.offset))
            return []
        if broken is not None:
            broken.spool.close()
        ready = link.ready.pop(key, None)
        if ready is not None and ready.state == state:
            link.send(ready)
            return []
        if ready is not None:
            ready.spool.close()
        job = link.making[key] = MakePack(peer, state, None, want)
        return [job]

    def _state_for(self, key: Key) -> State | None:
        """Return the known state of a key; for one to be kept aside, possibly the one that counts here."""
        state = self.known.get(key)
        if state is None and key.aside:
            counts = self.known.get(replace(key, aside=""))
            return counts.as_aside() if counts is not None and counts.tip == key.aside else None
        return state

    def _hear_chunk(self, peer: str, link: Link, chunk: Chunk) -> list[Job]:
        state, key = chunk.state, chunk.state.key
        incoming = link.incoming.get(key)
        if (incoming is None or incoming.state != state) and not self._is_sound(link, state):
            return []
        if self._is_fork(state):
            link.stop_taking(key)
            return self._hear_fork(peer, link, state)
        # What was asked for was judged then; what comes unasked is judged now.
        asked = self._is_fetching(key, peer)
        is_unwanted = key.member == self.member or (key.aside and not self._may_be_aside(peer, state))
        if (is_unwanted and not asked) or _sequence(self.known, key) >= state.sequence:
            link.stop_taking(key)
            link.owed.add(key)
            return self._settled(key)
        if self._is_late(incoming, chunk):
            return []
        if incoming is None and not asked and self._arriving(peer) >= MOST_ARRIVING:
            return self._hear_later(link, state)
        try:
            if chunk.offset == 0:
                link.stop_taking(key)
                if not asked:
                    link.unable.pop(key, None)  # offered again, so it may succeed now
                incoming = link.incoming[key] = Incoming(state, chunk.pack, self._spool(), asked, chunk.total)
            flaw = self._flaw(incoming, chunk)
            if incoming is None or flaw is not None:
                return self._turn_down(peer, state, flaw or "")
            if link.arriving_bytes() > self._limits.pack:
                return self._postpone(peer, state, "too much data is already arriving")
            incoming.spool.append(chunk.data)
        except OSError as failure:
            return self._postpone(peer, state, fault_of(failure).message)
        if incoming.spool.size < chunk.total:
            return []
        del link.incoming[key]
        return self._take(peer, incoming)

    def _is_late(self, incoming: Incoming | None, chunk: Chunk) -> bool:
        """Return whether a part of a pack was overtaken by a newer pack, which came between the words."""
        newer = incoming.state if incoming is not None else None
        taking = self._taking.get(chunk.state.key)
        newer = taking.state if newer is None and taking is not None else newer
        return chunk.offset > 0 and newer is not None and newer.sequence > chunk.state.sequence

    def _hear_later(self, link: Link, state: State) -> list[Job]:
        """Drop a pack that came unrequested and has no place: its state is requested when there is one."""
        if state.sequence > _sequence(link.holds, state.key):
            link.holds[state.key] = state
        link.owed.add(state.key)
        return self._fetch(state.key)

    def _flaw(self, incoming: Incoming | None, chunk: Chunk) -> str | None:
        """Return what is wrong with a part of a pack, or None."""
        if incoming is None or incoming.state != chunk.state or incoming.pack != chunk.pack:
            return "a part of the pack is missing"
        if incoming.spool.size != chunk.offset:
            return "a part of the pack is missing"
        if chunk.total > (self._limits.pack if incoming.asked else self._limits.inline):
            return f"the pack is too large: {chunk.total} bytes"
        if not chunk.data or chunk.total != incoming.total or chunk.offset + len(chunk.data) > chunk.total:
            return "the pack does not have the size that was announced"
        return None

    def _turn_down(self, peer: str, state: State, reason: str, for_now: bool = False) -> list[Job]:
        link, key = self.links[peer], state.key
        link.stop_taking(key)
        self._note_untaken(state, reason, for_now)
        link.answer(Refused(key, state.sequence, reason, for_now))
        link.unable[key] = state.sequence
        link.owed.discard(key)
        if not self._is_fetching(key, peer):
            return []
        del self._fetching[key]
        return [*self._fetch(key), *self._fetch_waiting()]

    def _postpone(self, peer: str, state: State, reason: str) -> list[Job]:
        """Drop what has arrived of a pack that has no space now; its state is requested again later."""
        link = self.links[peer]
        if state.sequence > _sequence(link.holds, state.key):
            link.holds[state.key] = state
        return [*self._turn_down(peer, state, bounded(reason), for_now=True), AskAgain(state.key)]

    def _note_untaken(self, state: State, reason: str, for_now: bool) -> None:
        self._untaken.pop(state.key, None)
        self._untaken[state.key] = (state, bounded(reason))
        if len(self._untaken) > MOST_UNTAKEN:
            del self._untaken[next(iter(self._untaken))]
        if not for_now:
            self.relay.took(state.key)

    def forks(self) -> list[tuple[State, State]]:
        """Return the known states whose members signed another one with the same number, and that one."""
        pairs = ((self.known.get(key), other) for key, other in self._forks.items())
        found = [(known, other) for known, other in pairs if known is not None and known.sequence == other.sequence]
        return [(known, other) for known, other in found if known.tip != other.tip]

    def holders(self, key: Key, sequence: int) -> set[str]:
        """Return the peers that said they hold a branch's state with this number or a later one."""
        said = {peer: link.holds for peer, link in self.links.items()}
        every = [*self.confirmed.items(), *said.items()]
        return {peer for peer, holds in every if _sequence(holds, key) >= sequence}

    def copies_of(self, peer: str) -> set[str]:
        """Return the live branches of others that a peer said it holds."""
        link = self.links.get(peer)
        keys = {*self.confirmed.get(peer, ()), *(link.holds if link is not None else ())}
        return {key.branch_name for key in keys if key.kind is BranchKind.LIVE and key.member != peer and not key.aside}

    def held_by(self, peer: str, key: Key) -> str | None:
        """Return the newest tip of a branch that a peer said it holds."""
        link = self.links.get(peer)
        held = link.holds.get(key) if link is not None else self.confirmed.get(peer, {}).get(key)
        return held.tip if held is not None else None

    def why_not_taken(self, member: str) -> str:
        """Return why the newest state of one of a member's branches is not here; empty if nothing prevents it."""
        reasons = (
            reason
            for key, (state, reason) in self._untaken.items()
            if key.member == member and not key.aside and state.sequence > _sequence(self.known, key)
        )
        return next(reasons, "")

    def _take(self, peer: str, incoming: Incoming) -> list[Job]:
        state = incoming.state
        link = self.links[peer]
        link.owed.add(state.key)
        if state.sequence > _sequence(link.holds, state.key):
            link.holds[state.key] = state
        if state.key in self._taking:
            # The arriving one may turn out bad: this one is requested again then.
            incoming.spool.close()
            if self._is_fetching(state.key, peer):
                del self._fetching[state.key]
            return []
        job = self._taking[state.key] = TakePack(peer, state, incoming.spool)
        return [job]

    # Consequences.

    def _settled(self, key: Key) -> list[Job]:
        """Answer everyone who waits for the state that is now known, offer it to the rest, and fetch what is newer."""
        sequence = _sequence(self.known, key)
        jobs: list[Job] = []
        for name, link in self.links.items():
            if key in link.owed and _sequence(link.holds, key) <= sequence:
                link.owed.discard(key)
                link.answer(Held(key, _sequence(link.holds, key) or sequence))
                self._touched.add(name)
            jobs += self._offer(name, key)
        fetch = self._fetching.get(key)
        if fetch is not None and fetch.state.sequence <= sequence:
            del self._fetching[key]
        return jobs + self._fetch(key)

    def _offer_to_all(self, key: Key) -> list[Job]:
        return [job for name in self.links for job in self._offer(name, key)]

    def _offer(self, peer: str, key: Key) -> list[Job]:
        """Tell a peer the newest state of a branch, unless it has it or still owes an answer to the previous one."""
        link, state = self.links[peer], self.known.get(key)
        if state is None or link.parting or key in link.offered or key in link.making:
            return []
        since = link.holds.get(key) if key not in link.unsure else None
        if link.declined.get(key, 0) >= state.sequence or (since is not None and _covers(since, state)):
            return []
        link.offered[key] = state
        self._touched.add(peer)
        # A peer who is connected with the member gets the pack from there.
        if since is None or (key.member != self.member and self.relay.is_direct(key.member, peer)):
            link.announcements[key] = None
            return []
        job = link.making[key] = MakePack(peer, state, since, None)
        return [job]

    def _fetch(self, key: Key) -> list[Job]:
        """Request the newest state of a branch that anyone has and I lack: from its own member first, if connected.

        A peer who is already sending much is asked once there is a place.
        """
        self._waiting.discard(key)
        if key in self._fetching or key in self._taking:
            return []
        mine = _sequence(self.known, key)
        best: tuple[int, bool, bool, str] | None = None
        for name, link in self.links.items():
            sequence = _sequence(link.holds, key)
            if sequence > max(mine, link.unable.get(key, 0)):
                here = (sequence, self._arriving(name) < MOST_ARRIVING, name == key.member, name)
                best = max(best or here, here)
        if best is None:
            return []
        _, has_place, _, peer = best
        if not has_place:
            self._waiting.add(key)
            return []
        job = self._fetching[key] = FindHaves(peer, self.links[peer].holds[key])
        return [job]

    def _fetch_waiting(self) -> list[Job]:
        free = [link for name, link in self.links.items() if self._arriving(name) < MOST_ARRIVING]
        due = [key for key in self._waiting if any(key in link.holds for link in free)]
        return [job for key in due for job in self._fetch(key)]

    def _arriving(self, peer: str) -> int:
        """Return how many packs of a peer are requested, arriving or being adopted."""
        asked = {key for key, fetch in self._fetching.items() if fetch.peer == peer}
        taken = {key for key, job in self._taking.items() if job.peer == peer}
        return len(asked | taken | self.links[peer].incoming.keys())

    def _is_fetching(self, key: Key, peer: str) -> bool:
        fetch = self._fetching.get(key)
        return fetch is not None and fetch.peer == peer

    def _keep_partial(self, peer: str, key: Key, incoming: Incoming) -> None:
        old = self._partial.pop((peer, key), None)
        if old is not None:
            old.spool.close()
        if incoming.asked and len(self._partial) < MOST_BROKEN:
            self._partial[peer, key] = incoming
        else:
            incoming.spool.close()

    def _keep_broken(self, peer: str, key: Key, outgoing: Outgoing) -> None:
        old = self._broken.pop((peer, key), None)
        if old is not None:
            old.spool.close()
        while len(self._broken) >= MOST_BROKEN:
            self._broken.pop(next(iter(self._broken))).spool.close()
        self._broken[peer, key] = outgoing

    def touched(self) -> list[str]:
        """Return the connected peers for whom there may be new messages since the last call.

        Others may be among them.
        """
        found = [peer for peer in self._touched if peer in self.links]
        self._touched.clear()
        return found

    def next_word(self, peer: str) -> Message | None:
        """Take the next message for a connected peer, or None if there is none."""
        link = self.links[peer]
        word = self.relay.next_word(peer) if not link.has_news_of_the_team() else None
        return word if word is not None else link.next_word(self.known, self._limits.chunk)

    def next_chunk(self, peer: str, now: float) -> Chunk | None:
        """Take what is next to be said on the stream for packs, or None while there is nothing or no room."""
        return self.links[peer].next_chunk(self._limits.chunk, now)
