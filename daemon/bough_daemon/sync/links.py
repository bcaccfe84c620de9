"""What is known about one connected peer, and the messages waiting for it.

Messages are kept by branch and by member, so that they stay few however slow the peer is, and new ones replace old.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bough_daemon.budgets import GOSSIP_BYTES, MOST_ADMISSIONS, MOST_ANSWERS, MOST_EARLY, MOST_LEAVING
from bough_daemon.store.packs import Spool
from bough_daemon.sync.jobs import MakePack
from bough_daemon.sync.messages import (
    Announce,
    Chunk,
    Delivered,
    Gossip,
    Held,
    Message,
    Refused,
    Route,
    SharingPauses,
    TalkPositions,
    TalkWords,
    Want,
)
from bough_daemon.sync.window import SendWindow
from bough_daemon.talk.entries import TalkEntry
from bough_daemon.team.branch_state import Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.invites import Invite, TicketUse
from bough_daemon.team.pauses import MemberPause
from bough_daemon.team.purges import Purge, PurgeAnswer
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch

MOST_PASSED = 4096  # remembered receipts that were sent

K = TypeVar("K")
V = TypeVar("V", Admission, Contact, Removal, Purge, PurgeAnswer, Invite, TicketUse, TalkEntry, MemberPause, Vouch)


@dataclass
class Incoming:
    """A pack that is arriving."""

    state: State
    pack: str
    spool: Spool
    asked: bool
    total: int


@dataclass
class Outgoing:
    """A pack that is being sent, and how much of it was."""

    state: State
    pack: str
    spool: Spool
    offset: int = 0


@dataclass
class Link:
    """The knowledge about one connected peer, and the messages still to be sent to it."""

    holds: dict[Key, State] = field(default_factory=dict)  # newest state that it says it holds
    early: dict[Key, State] = field(default_factory=dict)  # states that it holds of people who are not members here
    unsure: set[Key] = field(default_factory=set)  # of `holds`, what was early: it may have dropped that too
    offered: dict[Key, State] = field(default_factory=dict)  # announced and not answered yet
    declined: dict[Key, int] = field(default_factory=dict)  # it cannot accept this one or any before
    unable: dict[Key, int] = field(default_factory=dict)  # it cannot send this one or any before
    owed: set[Key] = field(default_factory=set)  # it announced these and waits for an answer
    making: dict[Key, MakePack] = field(default_factory=dict)
    incoming: dict[Key, Incoming] = field(default_factory=dict)
    admissions: dict[str, Admission] = field(default_factory=dict)
    contacts: dict[bytes, Contact] = field(default_factory=dict)
    removals: dict[tuple[bytes, bytes], Removal] = field(default_factory=dict)
    vouches: dict[tuple[bytes, bytes], Vouch] = field(default_factory=dict)
    purges: dict[bytes, Purge] = field(default_factory=dict)
    purge_answers: dict[tuple[bytes, bytes], PurgeAnswer] = field(default_factory=dict)
    apart_above: float = math.inf  # bytes above which a pack goes on a separate stream
    window: SendWindow = field(default_factory=SendWindow)  # of that stream
    arrived: int = 0  # bytes that came on it
    told_arrived: int = 0  # and of how many it was told
    relays: bool = False  # it understands messages about routes and receipts
    conversation: int = field(default_factory=partial(secrets.randbits, 32))  # a different number for each
    told: dict[str, Route] = field(default_factory=dict)  # the members it was told are reached from here, and how
    untold: set[str] = field(default_factory=set)  # members about whom there may be news
    receipts: dict[tuple[bytes, Key], Receipt | None] = field(default_factory=dict)  # None: this member's own, unsigned
    passed: dict[tuple[bytes, Key], tuple[int, int, str]] = field(
        default_factory=dict
    )  # the last receipts that were sent to it
    invites: dict[bytes, Invite] = field(default_factory=dict)
    ticket_uses: dict[tuple[bytes, bytes], TicketUse] = field(default_factory=dict)
    talks: bool = False  # it understands messages about comments
    positions: tuple[bytes, ...] | None = None  # of the logs of comments, not sent yet
    talk: dict[bytes, TalkEntry] = field(default_factory=dict)
    pauses: dict[bytes, MemberPause] = field(default_factory=dict)
    parting: bool = False  # one of the two is no longer in the team: nothing else is sent
    answers: dict[Key, Held | Refused] = field(default_factory=dict)
    # Words of it that were refused for good, or that said that it cannot send what it has, and are not paid for yet.
    wasted: int = 0
    wants: dict[Key, Want] = field(default_factory=dict)
    announcements: dict[Key, None] = field(default_factory=dict)
    outgoing: dict[Key, Outgoing] = field(default_factory=dict)
    ready: dict[Key, Outgoing] = field(default_factory=dict)  # too large to go unasked: it goes when it is asked for

    def answer(self, word: Held | Refused) -> None:
        """Answer a state or a Want, replacing an older answer; the oldest are dropped if there are many."""
        self.wasted += isinstance(word, Refused) and not word.for_now
        self.answers.pop(word.key, None)
        if len(self.answers) >= MOST_ANSWERS:
            del self.answers[next(iter(self.answers))]
        self.answers[word.key] = word

    def acknowledge(self, by: bytes, key: Key, receipt: Receipt | None) -> None:
        """Send a receipt, replacing an older one; the oldest are dropped if there are many."""
        self.receipts.pop((by, key), None)
        if len(self.receipts) >= MOST_ANSWERS:
            del self.receipts[next(iter(self.receipts))]
        self.receipts[by, key] = receipt

    def has_news_of_the_team(self) -> bool:
        """Return whether messages are waiting that the peer needs to verify what follows."""
        return bool(self.admissions or self.removals or self.vouches or self.contacts)

    def is_news(self, receipt: Receipt, conversation: int) -> bool:
        """Return whether a receipt was not sent yet to its reader in their current connection; record it."""
        about, said = (receipt.by, receipt.key), (conversation, receipt.sequence, receipt.refused)
        before = self.passed.pop(about, None)
        is_old = before is not None and before[0] == conversation and (before[1] > said[1] or before == said)
        self.passed[about] = before if before is not None and is_old else said
        while len(self.passed) > MOST_PASSED:
            del self.passed[next(iter(self.passed))]
        return not is_old

    def has_words(self) -> bool:
        """Return whether any messages are waiting."""
        return bool(
            self.has_news_of_the_team()
            or self.arrived > self.told_arrived
            or self.answers
            or self._next_leaving(apart=False) is not None
            or self.announcements
            or self.wants
            or self.untold
            or self.receipts
            or self.talk
            or self.positions is not None
            or self.pauses
            or self.purges
            or self.purge_answers
            or self.invites
            or self.ticket_uses
            or self.parting
        )

    def has_packs(self) -> bool:
        """Return whether a large pack must be sent on the separate stream."""
        return self._next_leaving(apart=True) is not None

    def arriving_bytes(self) -> int:
        """Return the total size of the arriving packs."""
        return sum(one.total for one in self.incoming.values())

    def has_room(self, most_bytes: int) -> bool:
        """Return whether one more pack may be sent: those waiting for the peer are kept on disk."""
        packs = [*self.outgoing.values(), *self.ready.values()]
        waiting = sum(one.spool.size for one in packs)
        return len(packs) + len(self.making) < MOST_LEAVING and waiting <= most_bytes

    def part(self, admissions: Iterable[Admission], removals: Iterable[Removal]) -> None:
        """From now on send only who is no longer in the team."""
        self.close()
        packs = (self.incoming, self.outgoing, self.ready, self.making)
        for waiting in (*packs, self.answers, self.wants, self.announcements):
            waiting.clear()
        self.contacts, self.holds, self.purges, self.purge_answers = {}, {}, {}, {}
        self.invites, self.ticket_uses, self.pauses = {}, {}, {}
        self.positions, self.talk, self.vouches = None, {}, {}
        self.admissions = {entry.digest: entry for entry in admissions}
        self.removals = {(entry.key, entry.remover): entry for entry in removals}
        self.parting = True

    def close(self) -> None:
        """Close every pack in transit."""
        for arriving in self.incoming.values():
            arriving.spool.close()
        for leaving in (*self.outgoing.values(), *self.ready.values()):
            leaving.spool.close()

    def forget(self, besides: Collection[str]) -> None:
        """Forget what the peer and I have of former members, but what it holds; `besides`: the current ones."""
        for state in [state for key, state in self.holds.items() if key.member not in besides]:
            self.note_early(state)
        said = (self.holds, self.wants, self.offered, self.declined, self.unable, self.making)
        for key in [key for key in {*self.incoming, *self.owed}.union(*said) if key.member not in besides]:
            self.stop_taking(key)
            self.owed.discard(key)
            self.unsure.discard(key)
            for by_key in said:
                by_key.pop(key, None)

    def note_early(self, state: State) -> None:
        """Remember that it holds a state of someone who may be in the team later; the oldest are dropped if many."""
        before = self.early.pop(state.key, state)
        self.early[state.key] = before if before.sequence > state.sequence else state
        while len(self.early) > MOST_EARLY:
            del self.early[next(iter(self.early))]

    def early_of(self, members: Collection[str]) -> list[State]:
        """Take the states that it holds of members, and that did not count when it said so."""
        return [self.early.pop(key) for key in [key for key in self.early if key.member in members]]

    def stop_taking(self, key: Key) -> None:
        """Discard what has arrived of a pack."""
        if key in self.incoming:
            self.incoming.pop(key).spool.close()

    def send(self, leaving: Outgoing) -> None:
        """Send a pack, replacing an older one for the same branch."""
        self.stop_sending(leaving.state.key)
        self.outgoing[leaving.state.key] = leaving

    def keep_ready(self, leaving: Outgoing) -> None:
        """Keep a pack until the peer asks for it or for another."""
        self.stop_sending(leaving.state.key)
        self.ready[leaving.state.key] = leaving

    def stop_sending(self, key: Key, sequence: float = math.inf) -> None:
        """Let go of the pack of a branch, where it is for no later state than that with a number."""
        for packs in (self.outgoing, self.ready):
            if key in packs and packs[key].state.sequence <= sequence:
                packs.pop(key).spool.close()

    def next_word(self, known: Mapping[Key, State], chunk_bytes: int) -> Message | None:
        """Take the next message, or None if there is none. `known`: the newest state of each branch."""
        if self.has_news_of_the_team():
            return self._next_gossip()
        if self.purges or self.purge_answers:
            purges = _taken(self.purges)  # before the answers that refer to them
            return Gossip(purges=purges, purge_answers=_taken(self.purge_answers) if not self.purges else ())
        if self.invites or self.ticket_uses:
            invites = _taken(self.invites)
            return Gossip(invites=invites, ticket_uses=_taken(self.ticket_uses) if not self.invites else ())
        if self.parting:
            return None
        if self.pauses:
            return SharingPauses(_taken(self.pauses))
        if self.arrived > self.told_arrived:
            self.told_arrived = self.arrived
            return Delivered(self.arrived)
        if self.answers:
            return self.answers.pop(next(iter(self.answers)))
        if self.wants:
            return self.wants.pop(next(iter(self.wants)))
        if self.positions is not None:
            said, self.positions = TalkPositions(self.positions), None
            return said
        if self.announcements:
            key = next(iter(self.announcements))
            del self.announcements[key]
            # The newest state, which may be newer than when this was queued.
            self.offered[key] = known[key]
            return Announce(known[key])
        if self.talk:
            return TalkWords(_taken(self.talk))
        pack = self._next_leaving(apart=False)
        return self._next_chunk(pack, chunk_bytes) if pack is not None else None

    def next_chunk(self, chunk_bytes: int, now: float) -> Chunk | None:
        """Take the next part of a large pack, or None while the line has enough; `now`: seconds, monotonic."""
        key = self._next_leaving(apart=True)
        if key is None or not self.window.has_room(now):
            return None
        chunk = self._next_chunk(key, min(chunk_bytes, self.window.chunk_bytes))
        self.window.sent(len(chunk.data), now)
        return chunk

    def _next_leaving(self, apart: bool) -> Key | None:
        """Return the pack that waits longest of those between the messages, or of those on the separate stream."""
        return next((key for key, one in self.outgoing.items() if self._goes_apart(one) == apart), None)

    def _goes_apart(self, leaving: Outgoing) -> bool:
        return leaving.spool.size > self.apart_above

    def _next_gossip(self) -> Gossip:
        admissions = _taken(self.admissions)  # in the order in which they count, admitters first
        removals = _taken(self.removals) if not self.admissions else ()
        vouches = _taken(self.vouches) if not self.admissions and not self.removals else ()
        is_last = not self.admissions and not self.removals and not self.vouches
        return Gossip(admissions, _taken(self.contacts) if is_last else (), removals, vouches=vouches)

    def _next_chunk(self, key: Key, chunk_bytes: int) -> Chunk:
        """Take a part of a pack, which then goes to the end of the line."""
        leaving = self.outgoing.pop(key)
        data = leaving.spool.read(leaving.offset, chunk_bytes)
        chunk = Chunk(leaving.state, leaving.pack, leaving.offset, leaving.spool.size, data)
        leaving.offset += len(data)
        if leaving.offset < leaving.spool.size:
            self.outgoing[key] = leaving
        else:
            leaving.spool.close()
        return chunk


def _taken(waiting: dict[K, V]) -> tuple[V, ...]:
    """Take as many of the first waiting entries as one message can hold."""
    found, left = list[V](), GOSSIP_BYTES
    while waiting and len(found) < MOST_ADMISSIONS and (left > 0 or not found):
        entry = waiting.pop(next(iter(waiting)))
        left -= entry.size
        found.append(entry)
    return tuple(found)
