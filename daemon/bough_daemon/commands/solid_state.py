"""The newest state of a branch that its member has marked as solid, that is, as ready for others to take."""

from __future__ import annotations

from bough_daemon.errors import NothingSolid
from bough_daemon.history.timeline import timeline
from bough_daemon.transaction.context import LiveBranch, LiveWorktree


def solid_state(live: LiveWorktree, theirs: LiveBranch) -> LiveBranch:
    """Return a live branch as it was when it was marked last; raise NothingSolid. On the store's thread.

    Only a snapshot of that very branch counts: a mark may name anything, and what is taken is shared with the team.
    """
    name, objects = theirs.name, live.store.objects
    marked = live.solid(name)
    if not marked:
        raise NothingSolid(f"{name} has not marked a state as solid", name=name)
    found = next((one for one in timeline(objects, theirs.tip) if one.oid == marked), None)
    if found is None or not objects.exists(found.base):
        raise NothingSolid(f"the state that {name} marked as solid is not here", name=name)
    return LiveBranch(name, found.oid, found.base, theirs.connected)
