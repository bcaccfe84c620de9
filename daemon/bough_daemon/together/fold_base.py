"""Find the common tree of a host's and a guest's files, from what their snapshots name.

Each tip names the newest tip of the other that it has folded. If one of those two has folded the other in turn, it is
the common state. If they crossed on the way, the common state is the fold of the two, and so on back to a pair that did
not cross.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bough_daemon.history.timeline import Snapshot

MOST_CROSSINGS = 256  # in sequence, without one state that both had

Read = Callable[[str], Snapshot | None]


@dataclass(frozen=True)
class Pair:
    """A host's and a guest's snapshot, as the team sees them."""

    host: Snapshot
    guest: Snapshot

    @property
    def key(self) -> tuple[str, str]:
        """The ids of both snapshots."""
        return self.host.oid, self.guest.oid


@dataclass(frozen=True)
class Beginning:
    """The start of the two sides of a fold: a `tree`, then the fold of each pair, in this order."""

    tree: str
    crossings: tuple[Pair, ...] = ()


def beginning(pair: Pair, host: str, guest: str, read: Read, known: Callable[[Pair], str | None]) -> Beginning | None:
    """Return where the two sides of a fold started, None if they do not name it, or it is not here.

    `host`, `guest`: the names of their branches. `known`: returns the common tree of a pair, if it was found before.
    """
    crossings: list[Pair] = []
    while len(crossings) <= MOST_CROSSINGS:
        theirs, ours = pair.guest.company.folded.get(host), pair.host.company.folded.get(guest)
        old_host = read(theirs) if theirs is not None else None
        old_guest = read(ours) if ours is not None else None
        if old_host is None or (ours is not None and old_guest is None):
            return None
        if old_guest is not None and old_guest.company.visit != pair.guest.company.visit:
            old_guest = None  # of an earlier visit, unrelated to this one
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
