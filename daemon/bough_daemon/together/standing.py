"""Which branches are together: guests and their host, and the branch that is followed. On the store's thread."""

from __future__ import annotations

from dataclasses import dataclass

from bough_daemon.commands.hop import hop_now
from bough_daemon.history.company import FOLD
from bough_daemon.history.journal import Hop
from bough_daemon.history.timeline import read_snapshot
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import Store
from bough_daemon.together.folder import Other
from bough_daemon.together.folding import Folding, Surroundings
from bough_daemon.together.links import guests_of, host_of
from bough_daemon.transaction.context import LiveWorktree


@dataclass(frozen=True)
class Standing:
    """The branches that one branch is together with. `host`: the branch that it is a guest of, empty for none."""

    host: str
    guests: list[str]


class Standings:
    """Finds out which branches are together, from what the newest snapshot of each one says."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self._store = store
        self._around = around
        self._hosts: dict[str, tuple[str, str]] = {}  # by branch: the tip that was read, and the host that it names

    def of(self, session: Recorder) -> Standing:
        """Return the branches that a working tree's branch is together with."""
        hosts, me = self._all_hosts(), session.branch.name
        return Standing(host_of(me, hosts), guests_of(me, hosts))

    def _all_hosts(self) -> dict[str, str]:
        """Return, for each branch that is a guest, the host that it names."""
        found: dict[str, str] = {}
        for branch, tip in self._around.tips().items():
            known = self._hosts.get(branch)
            if known is None or known[0] != tip:
                snapshot = read_snapshot(self._store.objects, tip) if self._store.objects.exists(tip) else None
                known = self._hosts[branch] = tip, snapshot.company.guest_of if snapshot is not None else ""
            if known[1]:
                found[branch] = known[1]
        return found

    def others(self, folding: Folding) -> list[Other]:
        """Return the branches whose edits are folded into a working tree, the host first."""
        live, tips, journal = folding.folder.live, self._around.tips(), folding.journal()
        if folding.session.branch.tip is None or journal.interrupted:
            return []
        standing = self.of(folding.session)
        found = [Other(standing.host, tips[standing.host], "host")] if standing.host in tips else []
        taken = (name for name in standing.guests if name in tips and self._around.guests.rule_of(name) == FOLD)
        found += [Other(name, tips[name], "guest") for name in taken]
        hop = hop_now(live) if journal.follows else None
        if hop is not None and hop.name in tips and hop.name not in standing.guests:
            found += _followed(live, hop)
        return found

    def are_apart(self, folding: Folding, others: list[Other]) -> bool:
        """Return whether the files differ from those of a branch that should have the same ones."""
        mine, objects = folding.session.branch.tip, self._store.objects
        tips = (other.tip for other in others if other.role != "followed" and objects.exists(other.tip))
        trees = {objects.commit(tip).tree for tip in tips}
        return mine is not None and bool(trees - {objects.commit(mine.shared).tree})


def _followed(live: LiveWorktree, hop: Hop) -> list[Other]:
    """Return the followed branch as a one-item list; an empty one if it is not here."""
    theirs = live.teammate(hop.name)
    return [Other(hop.name, theirs.tip, "followed", solid=hop.kind == "solid")] if theirs is not None else []
