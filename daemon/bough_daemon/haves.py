"""What is here already, said so that a peer need not send it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bough_daemon.git import Git
from bough_daemon.states import COMMIT
from bough_daemon.store import COPIED, LANDED, LIVE, SHARED, Store

MOST_HAVES = 256
LARGEST_COMMIT_BYTES = 1 << 20
FARTHEST_ANCESTOR = 14  # as a power of two


def known_commits(store: Store, oids: Sequence[str]) -> list[str]:
    """Return those of `oids` that are commits which the store can see. On the store's thread."""
    named = [oid for oid in oids[:MOST_HAVES] if COMMIT.fullmatch(oid)]
    objects = store.objects
    # The size first: a blob that a peer names may be of any.
    return [
        oid
        for oid in named
        if objects.exists(oid) and objects.size(oid) < LARGEST_COMMIT_BYTES and objects.read(oid)[0] == "commit"
    ]


def haves_of(store: Store) -> tuple[str, ...]:
    """Return commits that are whole here, to be named to a peer: fresh ones first, then ever older ones.

    What a private branch alone has is not among them. May be called from any thread.
    """
    user = Git(store.common_dir)
    # rev-parse prints as many as there are, and stops at the first that is not.
    ancestors = [f"HEAD~{2**power}" for power in range(FARTHEST_ANCESTOR + 1)]
    found = user.run("rev-parse", "--revs-only", "HEAD", *ancestors, allowed=(0, 128)).decode().split()
    ours = _commits_by_ref(store.git, LIVE, SHARED, COPIED, LANDED)
    for name, oid in list(ours.items()):
        branch = name.removeprefix(LIVE)
        if branch != name and ours.get(SHARED + branch, oid) != oid:
            del ours[name]
    theirs = _commits_by_ref(user, "refs/heads", "refs/remotes", "refs/tags")
    return tuple(dict.fromkeys([*ours.values(), *found, *theirs.values()]))[:MOST_HAVES]


def _commits_by_ref(git: Git, *prefixes: str) -> dict[str, str]:
    listed = ("--sort=-committerdate", f"--count={MOST_HAVES}", "--format=%(objectname) %(objecttype) %(refname)")
    lines = os.fsdecode(git.run("for-each-ref", *listed, *prefixes)).splitlines()
    split = (line.split(" ", 2) for line in lines)
    return {name: oid for oid, kind, name in split if kind == "commit"}


def shallow_of(store: Store) -> tuple[str, ...]:
    """Return the commits whose parents this clone lacks. May be called from any thread."""
    try:
        with open(os.path.join(store.path, "shallow")) as border:
            return tuple(border.read().split()[:MOST_HAVES])
    except FileNotFoundError:
        return ()


def roots_of(store: Store) -> tuple[str, ...]:
    """Return the commits that the history of HEAD begins with; its borders, in a shallow clone. From any thread."""
    roots = Git(store.common_dir).run("rev-list", "--max-parents=0", "HEAD", allowed=(0, 128)).decode().split()
    return tuple(roots[:MOST_HAVES])
