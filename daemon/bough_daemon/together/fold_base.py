"""The tree that a host's and a guest's files began with, from what their snapshots say of each other.

A tip of the one names the newest of the other that it has folded. Where one of these two has folded the other in turn,
it is where both began. Where they have passed each other on the way, both began with what the two of them give
together, and so on back to where they did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bough_daemon.history.timeline import Snapshot

MOST_CROSSINGS = 256  # in a row, without one state that both had

Read = Callable[[str], Snapshot | None]


@dataclass(frozen=True)
class Pair:
    """A host's and a guest's snapshot, as the team sees them."""

    host: Snapshot
    guest: Snapshot

    @property
    def key(self) -> tuple[str, str]:
        """The ids of the two."""
        return self.host.oid, self.guest.oid


@dataclass(frozen=True)
class Beginning:
    """Where the two sides of a fold began: with a `tree`, then with what each pair gives together, in this order."""

    tree: str
    crossings: tuple[Pair, ...] = ()


def beginning(pair: Pair, host: str, guest: str, read: Read, known: Callable[[Pair], str | None]) -> Beginning | None:
    """Return where the sides of a fold began, None where they do not say, or what they name is not here.

    `host`, `guest`: the names of their branches. `known`: what a pair gives together, where that was found before.
    """
    crossings: list[Pair] = []
    while len(crossings) <= MOST_CROSSINGS:
        theirs, ours = pair.guest.company.folded.get(host), pair.host.company.folded.get(guest)
        old_host = read(theirs) if theirs is not None else None
        old_guest = read(ours) if ours is not None else None
        if old_host is None or (ours is not None and old_guest is None):
            return None
        if old_guest is not None and old_guest.company.visit != pair.guest.company.visit:
            old_guest = None  # of an earlier visit, with which this one has nothing in common
        if old_guest is None or old_host.company.folded.get(guest) == old_guest.oid:
            return Beginning(old_host.tree, tuple(reversed(crossings)))
        if old_guest.company.folded.get(host) == old_host.oid:
            return Beginning(old_guest.tree, tuple(reversed(crossings)))
        pair = Pair(old_host, old_guest)
        tree = known(pair)
        if tree is not None:
            return Beginning(tree, tuple(reversed(crossings)))
        crossings.append(pair)
    return None
