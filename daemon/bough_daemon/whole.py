"""Whether a pack, with what is here, has all that its commits need: the quick answer for a save.

`git rev-list --objects` answers for everything, but reads each tree of the commits that it ends at: 62 ms at 100,000
files. A save changes little of a tree that is known to be whole, so it is enough to look at what changed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from bough_daemon.errors import StoreDamaged
from bough_daemon.objects import FOLDER, SUBMODULE, Objects

MOST_COMMITS = 64


def arrived_objects(quarantine: str, store_objects: str) -> Objects:
    """Return the objects of a quarantine, which sees those of the store as well; it owns what has arrived."""
    os.makedirs(os.path.join(quarantine, "info"), exist_ok=True)
    with open(os.path.join(quarantine, "info", "alternates"), "wb") as out:
        out.write(os.fsencode(store_objects) + b"\n")
    return Objects(quarantine)


def is_surely_whole(arrived: Objects, commits: Sequence[str], whole: Collection[str]) -> bool:
    """Return True if all that `commits` need has arrived or is in `whole`, commits here with all that they reach.

    False means that it takes a longer look: what is not in the pack may still be here. The pack must have passed
    `index-pack --strict`.
    """
    pending, seen = list(commits), set[str]()
    try:
        while pending:
            oid = pending.pop()
            if oid in whole or oid in seen:
                continue
            seen.add(oid)
            if len(seen) > MOST_COMMITS or not arrived.owns(oid) or arrived.read(oid)[0] != "commit":
                return False
            commit = arrived.commit(oid)
            before = arrived.commit(commit.parents[0]).tree if commit.parents else None
            if not _all_changes_arrived(arrived, before, commit.tree):
                return False
            pending += commit.parents
    except (StoreDamaged, ValueError):
        return False
    return True


def _all_changes_arrived(arrived: Objects, old: str | None, new: str) -> bool:
    """Return whether everything in the tree `new` that is not at the same place in `old` has arrived."""
    pending: list[tuple[str | None, str]] = [(old, new)]
    while pending:
        before, after = pending.pop()
        if before == after:
            continue
        if not arrived.owns(after):
            return False
        left = arrived.tree(before) if before is not None else {}
        for name, entry in arrived.tree(after).items():
            was = left.get(name)
            if entry.mode == SUBMODULE or (was is not None and was.oid == entry.oid):
                continue
            if entry.mode == FOLDER:
                pending.append((was.oid if was is not None and was.mode == FOLDER else None, entry.oid))
            elif not arrived.owns(entry.oid):
                return False
    return True
