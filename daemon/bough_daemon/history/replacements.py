"""What landed commits contain: a squash on the shared branch names the snapshot that it was made of.

Git sees that through replacements in the store: the landed commit with the snapshot as an additional parent. So the
base of a later merge is what both sides share, and nothing that landed comes back as a conflict.
"""

from __future__ import annotations

from bough_daemon.git.command import GitCommand
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.history.containment import Contained, contained
from bough_daemon.store.store import Store
from bough_daemon.store.walks import LONGEST_SECONDS

TRAILER = "Bough-Snapshot"
CONTAINS = "refs/contains/"


def knowing(git: GitCommand) -> GitCommand:
    """Return a git that knows what landed commits contain."""
    return git.with_environment(GIT_REPLACE_REF_BASE=CONTAINS)


def learn(store: Store, *tips: str) -> None:
    """Record what the landed commits contain that not all of `tips` have."""
    shared = knowing(store.git).run("merge-base", "--octopus", *tips, allowed=(0, 1), seconds=LONGEST_SECONDS)
    learn_from(store, *tips, "--not", *shared.decode().split())


def learn_from(store: Store, *commits: str) -> None:
    """Record what the landed commits among `commits` (arguments of `git log`) contain."""
    known = set(store.refs(CONTAINS))
    refused: set[str] = set()
    while True:
        new = [pair for pair in _named(store, commits) if pair[0] not in known | refused]
        if not new:
            return
        for landed, snapshot in new:
            if _contains(store, landed, snapshot):
                store.name(CONTAINS + landed, _with_parent(store, landed, snapshot))
                known.add(landed)
            else:
                refused.add(landed)


def landed_snapshots(store: Store, *commits: str) -> set[str]:
    """Return the snapshots that were landed by the commits among `commits` (arguments of `git log`)."""
    return {snapshot for _, snapshot in _named(store, commits)}


def _named(store: Store, commits: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (landed commit, snapshot that it names) for those among `commits`."""
    form = f"--format=%H %(trailers:key={TRAILER},valueonly,separator=%x20)"
    asked = ("log", "--grep", TRAILER, form, *commits)
    lines = store.walks.run(knowing(store.git), *asked).decode(errors="replace")
    pairs = [line.split(" ") for line in lines.splitlines()]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) > 1 and OBJECT_ID.fullmatch(pair[1])]


def _contains(store: Store, landed: str, snapshot: str) -> bool:
    """Return whether a commit really has what the snapshot changed.

    A copy of it elsewhere (`git cherry-pick` onto a release) also names the snapshot, but has only a part of it.
    """
    objects = store.objects
    if not objects.exists(snapshot) or objects.read(snapshot)[0] != "commit" or store.is_ancestor(landed, snapshot):
        return False
    commit = objects.commit(landed)
    return not commit.parents or contained(store, commit.tree, commit.parents[0], snapshot) is not Contained.PARTLY


def _with_parent(store: Store, commit: str, parent: str) -> str:
    raw = store.objects.read(commit)[1]
    head, end, rest = raw.partition(b"\nauthor ")
    return store.objects.write("commit", head + b"\nparent " + parent.encode() + end + rest)
