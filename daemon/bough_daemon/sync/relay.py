"""Routes through teammates: who reaches whom, and receipts that return to a state's member through others.

States and packs pass through anyone by themselves. Confirmations do not: a peer confirms a state only to those that it
got it from. So each member tells its peers whom it reaches, and in how many steps, and a member who is not connected
with the one whose state it received signs a receipt, which takes the shortest routes. Relays keep nothing, and cannot
forge a receipt.

In a team in which everyone is connected with everyone, no receipt is ever signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from bough_daemon.sync.jobs import Confirmed, Declined, Job
from bough_daemon.sync.links import Link
from bough_daemon.sync.messages import Reach, Route
from bough_daemon.system.text import bounded
from bough_daemon.team.branch_state import MOST_BRANCHES, BranchKind, Key, State
from bough_daemon.team.identity import Identity
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Roster

DIRECT = 1  # step
MOST_HOPS = 6  # of a route: longer ones are circular
MOST_WAYS = 3  # used for a receipt at once: a member on a route may be hostile, or about to leave
MOST_NAMES = 500  # in one message


class Relay:
    """The routes of one member in one team; `links`, `known` and `untaken` are the exchange's.

    `touched`: collects the peers for whom there are messages. `identity`: signs receipts; None: there are none.
    """

    def __init__(
        self,
        roster: Roster,
        links: dict[str, Link],
        touched: set[str],
        known: Callable[[Key], State | None],
        untaken: Callable[[Key], tuple[State, str] | None],
        keys_of: Callable[[str], Iterable[Key]],
        identity: Identity | None,
    ) -> None:
        self._roster = roster
        self._links = links
        self._touched = touched
        self._known = known
        self._untaken = untaken
        self._keys_of = keys_of
        self._identity = identity
        self._ways: dict[str, dict[str, Route]] = {}  # member: through whom, and how

    def through(self, member: str) -> list[str]:
        """Return the peers through whom an unconnected member is reached, those with the shortest routes."""
        if member in self._links:
            return []
        ways = sorted((way.steps, via) for via, way in self._ways.get(member, {}).items() if self._is_open(via))
        return [via for steps, via in ways if steps == ways[0][0]]

    def is_direct(self, member: str, via: str) -> bool:
        """Return whether a peer said that it is connected with a member, or is that member."""
        way = self._ways.get(member, {}).get(via)
        return member == via or (way is not None and way.steps == DIRECT + 1)

    # Events on this machine.

    def connected(self, peer: str) -> None:
        """Tell everyone that a peer is reached from here, and tell the peer who else is."""
        self._links[peer].untold |= self._links.keys() | self._ways.keys()
        self._news(peer)

    def disconnected(self, peer: str) -> None:
        """Tell everyone that a peer is no longer reached, nor what was reached only through that peer."""
        for member in [member for member, ways in self._ways.items() if peer in ways]:
            self._lose_way(member, peer)
        self._news(peer)
        self._send_receipts(peer)

    def _lose_way(self, member: str, via: str) -> None:
        del self._ways[member][via]
        if not self._ways[member]:
            del self._ways[member]
        if member not in self._links:
            self._news(member)
            self._send_receipts(member)

    def _news(self, member: str) -> None:
        """Queue for every peer how a member is reached now, if the route has changed."""
        for name, link in self._links.items():
            if name != member:
                link.untold.add(member)
                self._touched.add(name)

    def took(self, key: Key) -> None:
        """Send a receipt for a state that was received or refused here, if its member is not connected."""
        if self._identity is not None and self._is_acknowledged(key) and key.member not in self._links:
            for via in self._ways_to(key.member):
                self._acknowledge(via, self._identity.key, key, None)

    def _send_receipts(self, member: str) -> None:
        for key in self._keys_of(member):
            self.took(key)

    @staticmethod
    def _is_acknowledged(key: Key) -> bool:
        return key.kind is BranchKind.LIVE and not key.aside

    def _ways_to(self, member: str, besides: str = "") -> list[str]:
        if member in self._links:
            return [member] if self._is_open(member) else []
        ways = sorted((way.steps, via) for via, way in self._ways.get(member, {}).items() if via != besides)
        return [via for _, via in ways if self._is_open(via)][:MOST_WAYS]

    def _is_open(self, peer: str) -> bool:
        link = self._links.get(peer)
        return link is not None and link.relays and not link.parting

    # A peer's messages.

    def hear_reach(self, peer: str, word: Reach) -> None:
        """Record whom a peer reaches, and no longer reaches.

        If a reached member has a new connection, this member repeats what it holds: they may have restarted. A route
        that has become too long is dropped: otherwise two peers who tell each other about a vanished member would do so
        forever.
        """
        too_long = [member for member, way in word.reached if not 0 < way.steps < MOST_HOPS]
        for member in (*word.lost, *too_long):
            if peer in self._ways.get(member, {}):
                self._lose_way(member, peer)
        for member, way in word.reached:
            if member in self._roster.members and member != peer and 0 < way.steps < MOST_HOPS:
                ways = self._ways.setdefault(member, {})
                before, ways[peer] = ways.get(peer), Route(way.steps + 1, way.conversation)
                if before != ways[peer] and member not in self._links:
                    self._news(member)
                    self._send_receipts(member)

    def hear_receipt(self, me: str, peer: str, receipt: Receipt, confirmed: State | None) -> list[Job]:
        """Pass a receipt on, or process one for a state of this member, `me`; old or forged ones are dropped.

        A receipt from its own signer is passed on unchecked, as the connection says who that is, and its reader checks
        it: otherwise a hub would check one signature for each subscriber and save. `confirmed`: the newest state of the
        branch that the receipt's member is known to hold.
        """
        by = self._roster.by_key(receipt.by)
        if by is None or by.name in (me, receipt.key.member) or not self._is_acknowledged(receipt.key):
            return []
        if receipt.key.member == me:
            return self._take_in(by.name, receipt, confirmed)
        ways = [via for via in self._ways_to(receipt.key.member, peer) if self._has_place(self._links[via], receipt)]
        if ways and (by.name == peer or receipt.is_signed(self._roster.team)):
            for via in ways:
                self._acknowledge(via, receipt.by, receipt.key, receipt)
        return []

    def _acknowledge(self, via: str, by: bytes, key: Key, receipt: Receipt | None) -> None:
        self._links[via].acknowledge(by, key, receipt)
        self._touched.add(via)

    def _take_in(self, by: str, receipt: Receipt, confirmed: State | None) -> list[Job]:
        known = self._known(receipt.key)
        if known is None or not 0 < receipt.sequence <= known.sequence:
            return []
        is_other = receipt.sequence == known.sequence and receipt.tip != known.tip
        is_old = confirmed is not None and confirmed.sequence >= receipt.sequence
        if is_other or is_old or not receipt.is_signed(self._roster.team):
            return []
        state = replace(known, sequence=receipt.sequence, tip=receipt.tip)
        refused = bounded(receipt.refused)
        return [Declined(by, state, refused, False) if refused else Confirmed(by, state)]

    def _has_place(self, link: Link, receipt: Receipt) -> bool:
        """Return whether a receipt is new to a peer; for states unknown here, a member has a few places."""
        waiting, known = link.receipts.get((receipt.by, receipt.key)), self._known(receipt.key)
        if waiting is not None or (known is not None and receipt.sequence <= known.sequence):
            return waiting is None or waiting.sequence < receipt.sequence
        return sum(by == receipt.by for by, _ in link.receipts) < MOST_BRANCHES

    # Messages to a peer.

    def next_word(self, peer: str) -> Reach | Receipt | None:
        """Take the next message for a peer, or None."""
        link = self._links[peer]
        while link.relays and not link.parting and (link.untold or link.receipts):
            word = self._next_reach(peer, link) if link.untold else self._next_receipt(peer, link)
            if word is not None:
                return word
        return None

    def _next_reach(self, peer: str, link: Link) -> Reach | None:
        names = [link.untold.pop() for _ in range(min(len(link.untold), MOST_NAMES))]
        lost, reached = set[str](), dict[str, Route]()
        for member in names:
            way = self._way(peer, member)
            if way is None and link.told.pop(member, None) is not None:
                lost.add(member)
            if way is not None and link.told.get(member) != way:
                reached[member] = link.told[member] = way
        return Reach(tuple(sorted(reached.items())), tuple(sorted(lost))) if lost or reached else None

    def _way(self, peer: str, member: str) -> Route | None:
        """Return the shortest route to a member from here, not through `peer`; None: there is none."""
        if member == peer:
            return None
        if member in self._links:
            return Route(DIRECT, self._links[member].conversation)
        ways = ((way.steps, via) for via, way in self._ways.get(member, {}).items() if via != peer)
        _, via = min(ways, default=(0, ""))
        return self._ways[member][via] if via else None

    def _next_receipt(self, peer: str, link: Link) -> Receipt | None:
        """Take the longest-waiting receipt for a peer; None if it is not new there, or the route is gone.

        So a circular one passes only once.
        """
        by, key = next(iter(link.receipts))
        receipt = link.receipts.pop((by, key)) or self._receipt(by, key)
        conversation = self._conversation(peer, key.member)
        if receipt is None or conversation is None or not link.is_news(receipt, conversation):
            return None
        return (
            receipt
            if receipt.signature or self._identity is None
            else receipt.signed(self._roster.team, self._identity)
        )

    def _conversation(self, peer: str, member: str) -> int | None:
        """Return the number of a member's connection at the end of a route through a peer; None without a route."""
        if peer == member:
            return self._links[peer].conversation
        way = self._ways.get(member, {}).get(peer)
        return way.conversation if way is not None else None

    def _receipt(self, by: bytes, key: Key) -> Receipt | None:
        """Return the answer of this member, who signs as `by`, about a branch."""
        state, untaken = self._known(key), self._untaken(key)
        if untaken is not None and (state is None or untaken[0].sequence > state.sequence):
            return Receipt(by, key, untaken[0].sequence, untaken[0].tip, untaken[1])
        return Receipt(by, key, state.sequence, state.tip) if state is not None else None
