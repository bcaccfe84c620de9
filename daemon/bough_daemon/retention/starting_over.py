"""When a live branch may start its history over at HEAD's commit, so that what it had before can grow old and go.

It changes what a merge takes for the common origin only if another branch has one of the snapshots before. So it may
start over where everything is committed, and every branch that is known has the same merge bases with it as before.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from bough_daemon.history.ancestry import claims_of
from bough_daemon.history.replacements import knowing
from bough_daemon.history.timeline import Snapshot, chain
from bough_daemon.store.store import LIVE, SHARED, Store
from bough_daemon.store.walks import LONGEST_SECONDS

MOST_BRANCHES = 200  # of the user's, the newest, whose merge bases are compared


def may_start_over(store: Store, branch: str, tip: Snapshot, before: float, least: int) -> bool:
    """Return whether a branch may start over, and has at least `least` snapshots from before a moment.

    `before`: seconds since the epoch. On any thread, with databases of its own (`Store.beside`).
    """
    objects = store.objects
    trees = {tip.tree, objects.commit(tip.base).tree, objects.commit(tip.shared).tree}
    if len(trees) > 1 or tip.shared_base != tip.base or tip.operation or tip.company:
        return False
    old = (one for one in chain(objects, tip.oid) if one.time < before)
    if sum(1 for _ in islice(old, least)) < least:
        return False
    ways = ([tip.oid], [tip.shared], [tip.base, *claims_of(store, tip, tip.base)])
    return all(len({_bases(store, other, way) for way in ways}) == 1 for other in _others(store, branch))


def _bases(store: Store, one: str, others: list[str]) -> frozenset[str]:
    """Return the merge bases of a commit and a merge of some others."""
    asked = ("merge-base", "--all", one, *others)
    return frozenset(knowing(store.git).run(*asked, allowed=(0, 1), seconds=LONGEST_SECONDS).decode().split())


def _others(store: Store, branch: str) -> set[str]:
    """Return the tips of every other branch: live ones, as here and as shared, and the user's own."""
    found = {oid for prefix in (LIVE, SHARED) for name, oid in store.refs(prefix).items() if name != branch}
    asked = (
        "for-each-ref",
        "--format=%(objecttype) %(objectname)",
        "--sort=-committerdate",
        f"--count={MOST_BRANCHES}",
    )
    listed = (
        replace(store.git, git_dir=store.common_dir).run(*asked, "refs/heads", "refs/remotes").decode().splitlines()
    )
    return found | {oid for kind, oid in map(str.split, listed) if kind == "commit" and store.objects.exists(oid)}
