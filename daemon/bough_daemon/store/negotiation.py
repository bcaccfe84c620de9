"""What the team shares: which commits may be named to a peer, and which a peer may name.

A commit is shared if a known signed state reaches it, by its tip or its base, or if the shared tip of a live branch of
this repository does, which the next state will name. Nothing else counts, even if it is here: not the user's branches,
tags and stash, not the private chain of a live branch, and not the remote-tracking branches, as a remote may be a fork
that only its owner can read. What everyone's remote has is shared as soon as anyone works on it; until then it is sent
once more, which costs bytes and reveals nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from bough_daemon.budgets import MOST_HAVES
from bough_daemon.git.command import GitCommand
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.store.store import LIVE, SHARED, Store

MOST_FOLLOWED = 8  # tips of which older commits are also named
FARTHEST_ANCESTOR = 14  # as a power of two


def known_commits(store: Store, oids: Iterable[str]) -> list[str]:
    """Return those of `oids` that are commits which the store can see. On the store's thread."""
    # Not read, because a peer may name a blob of any size.
    named, objects = (oid for oid in oids if OBJECT_ID.fullmatch(oid)), store.objects
    return [oid for oid in named if objects.exists(oid) and objects.header(oid)[0] == "commit"]


def shared_tips(store: Store) -> list[str]:
    """Return the shared tips of the live branches of this repository. May be called from any thread."""
    return store.git.run("for-each-ref", "--format=%(objectname)", SHARED).decode().split()


def haves_of(store: Store, shared: Sequence[str]) -> tuple[str, ...]:
    """Return shared commits to name to a peer: those of `shared`, then exponentially older ones, newest first.

    May be called from any thread.
    """
    tips = list(dict.fromkeys([*shared_tips(store), *shared]))
    asked = [f"{tip}~{2**power}" for power in range(FARTHEST_ANCESTOR + 1) for tip in tips[:MOST_FOLLOWED]]
    lines = _commits(store, [*tips[: MOST_HAVES // 2], *asked])
    return tuple(dict.fromkeys(lines))[:MOST_HAVES]


def _commits(store: Store, names: Sequence[str]) -> list[str]:
    """Return the commits for names (`OID`, `OID~8`), without those that are not here."""
    stdin = "\n".join(names).encode() + b"\n"
    lines = store.git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin).decode().splitlines()
    return [oid for oid, _, kind in (line.partition(" ") for line in lines) if kind == "commit"]


def shared_among(store: Store, oids: Sequence[str], shared: Sequence[str]) -> list[str]:
    """Return those of `oids`, named by a peer, that `shared` commits reach. May be called from any thread."""
    asked = [oid for oid in oids[:MOST_HAVES] if OBJECT_ID.fullmatch(oid)]
    here = set(_commits(store, [*asked, *shared])) if asked else set()
    named = [oid for oid in asked if oid in here]
    if not named:
        return []
    lines = "\n".join([*named, *(f"^{oid}" for oid in shared if oid in here)]).encode() + b"\n"
    beyond = set(store.git.run("rev-list", "--stdin", stdin=lines).decode().split())
    return [oid for oid in named if oid not in beyond]


def shallow_of(store: Store, shared: Sequence[str]) -> tuple[str, ...]:
    """Return the commits reached by `shared` ones whose parents this clone lacks. May be called from any thread."""
    try:
        with open(os.path.join(store.path, "shallow")) as border:
            borders = border.read().split()
    except FileNotFoundError:
        return ()
    return tuple(shared_among(store, borders, [*shared_tips(store), *shared]))


def history_of(store: Store) -> tuple[str, ...]:
    """Return commits that identify another clone of this repository. May be called from any thread.

    The root commits of HEAD's history, its borders in a shallow clone, and some on the way to them: the first snapshot
    shares them anyway. If HEAD has no commit, as in a hub's repository, those of a teammate's branch.
    """
    git, tip = GitCommand(store.common_dir), "HEAD"
    found = _on_the_way(git, tip)
    if not found:
        git, tip = store.git, _tip_of_a_teammate(store)
        found = _on_the_way(git, tip) if tip else []
    if not found:
        return ()
    roots = git.run("rev-list", "--max-parents=0", tip).decode().split()
    return tuple(dict.fromkeys([*roots[:MOST_HAVES], *found]))


def _on_the_way(git: GitCommand, tip: str) -> list[str]:
    """Return a commit and some of its ancestors, farther and farther apart; nothing if it is not there."""
    # rev-parse prints the existing ones, and stops at the first missing one
    names = [tip + "^{commit}", *(f"{tip}~{2**power}" for power in range(FARTHEST_ANCESTOR + 1))]
    return git.run("rev-parse", "--revs-only", *names, allowed=(0, 128)).decode().split()


def _tip_of_a_teammate(store: Store) -> str:
    """Return the tip of the most recently written teammate's branch; empty if there is none."""
    listed = store.git.run("for-each-ref", "--sort=-committerdate", "--format=%(refname) %(objectname)", LIVE, SHARED)
    refs = dict(line.split(" ") for line in listed.decode().splitlines())
    theirs = (oid for ref, oid in refs.items() if ref.startswith(LIVE) and SHARED + ref.removeprefix(LIVE) not in refs)
    return next(theirs, "")
