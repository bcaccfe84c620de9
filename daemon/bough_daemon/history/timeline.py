"""The timeline of a live branch: its snapshots, newest first, whatever HEAD did meanwhile.

A snapshot is a commit. What its tree and parents do not show is recorded in trailers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.objects import Commit, Objects
from bough_daemon.history.company import NO_COMPANY, Company, company_of

BASE, EVENT, OPERATION = "Bough-Base", "Bough-Event", "Bough-Operation"
PREVIOUS, EARLIER, SHARED_AS, BROUGHT = "Bough-Previous", "Bough-Earlier", "Bough-Shared", "Bough-Brought"
SHARED_BASE, DISCARDED = "Bough-Shared-Base", "Bough-Discarded"
BRINGING = frozenset({"merge", "hop", "fold", "stay"})  # first words of events that bring someone else's work
OPERATION_WORD = re.compile(r"[a-z-]{0,16}")
LONGEST_LINE = 4000  # characters of a title that are shown; a teammate may write any
MOST_MERGED = 16  # branches that were merged into one another
MOST_BROUGHT = 300  # commits that one claims; a teammate may name any number, which a guest repeats
MOST_EARLIER = 32  # snapshots that one names besides the previous one
REMEMBERED = 2000  # snapshots of a chain in which merges are searched
UNKNOWN_OPERATION = "git operation"


@dataclass(frozen=True)
class Snapshot:
    """One commit on a live branch.

    `parents`: what it contains, the snapshot that it continues first, if any. `base`: HEAD's commit. `event`: why it
    was taken (`save`, `hop alice`, `merge bob`, `back`, `undo`, `restore`). `previous`: the snapshot before it in time.
    `earlier`: those before that one, if HEAD went elsewhere: a teammate may have one of them and none since.
    `shared`: the commit that the team sees instead, and `shared_base`: the commit that this one is based on, older than
    `base` if that may not leave. `time`: seconds since the epoch. `operation`: the Git operation in progress (`rebase`,
    `bisect`, …), empty for none. `brought`: commits that its history claims beyond its base, as far as the snapshot
    names them; of too many, the newest. `discarded`: Git has discarded edits since the previous one.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    base: str
    event: str
    title: str
    time: int
    author: str
    previous: str | None
    shared: str
    shared_base: str
    operation: str = ""
    brought: tuple[str, ...] = ()
    company: Company = NO_COMPANY
    discarded: bool = False
    earlier: tuple[str, ...] = ()

    @property
    def claims(self) -> frozenset[str]:
        """The commits that it claims to contain."""
        return frozenset((self.base, *self.brought))

    @property
    def claims_too_much(self) -> bool:
        """Return whether its parents may contain more than it is seen to claim: then no snapshot may continue it."""
        return are_too_many(self.brought)

    def is_among(self, commits: Collection[str]) -> bool:
        """Return whether it is one of some commits, as it is here or as the team sees it."""
        return not {self.oid, self.shared}.isdisjoint(commits)


def are_too_many(claims: Sequence[str]) -> bool:
    """Return whether these are more claims than one snapshot may have."""
    return len(claims) > MOST_BROUGHT


def read_snapshot(objects: Objects, oid: str) -> Snapshot | None:
    """Return the snapshot for a commit, or None for a commit that Bough did not make.

    It may be a teammate's: a malformed trailer counts as absent.
    """
    commit = objects.commit(oid)
    base = _commit_in(commit, BASE)
    if base is None:
        return None
    operation = commit.trailer(OPERATION) or ""
    return Snapshot(
        oid=oid,
        tree=commit.tree,
        parents=commit.parents,
        base=base,
        event=(commit.trailer(EVENT) or "save")[:LONGEST_LINE],
        title=commit.message.split("\n", 1)[0][:LONGEST_LINE],
        time=commit.time,
        author=f"{commit.author} <{commit.email}>",
        previous=_commit_in(commit, PREVIOUS) or (commit.parents[0] if commit.parents else None),
        shared=_commit_in(commit, SHARED_AS) or oid,
        shared_base=_commit_in(commit, SHARED_BASE) or base,
        operation=operation if OPERATION_WORD.fullmatch(operation) else UNKNOWN_OPERATION,
        brought=_commits_in(commit, BROUGHT)[-MOST_BROUGHT - 1 :],
        company=company_of(commit),
        discarded=commit.trailer(DISCARDED) is not None,
        earlier=_commits_in(commit, EARLIER)[:MOST_EARLIER],
    )


def _commit_in(commit: Commit, trailer: str) -> str | None:
    value = commit.trailer(trailer)
    return value if value is not None and OBJECT_ID.fullmatch(value) else None


def _commits_in(commit: Commit, trailer: str) -> tuple[str, ...]:
    words = dict.fromkeys((commit.trailer(trailer) or "").split())
    return tuple(word for word in words if OBJECT_ID.fullmatch(word))


def timeline(objects: Objects, tip: str) -> Iterator[Snapshot]:
    """Yield the snapshots of a branch, newest first, as far as the store has them."""

    def before(snapshot: Snapshot) -> str | None:
        # A commit that a teammate refused, and another has, is missing here; continue with what the snapshot continues.
        previous = snapshot.previous
        there = previous is None or not snapshot.parents or objects.exists(previous)
        return previous if there else snapshot.parents[0]

    return _walk(objects, tip, before)


def chain(objects: Objects, tip: str) -> Iterator[Snapshot]:
    """Yield the snapshots that each continue the one after it, newest first, without those that HEAD left."""
    return _walk(objects, tip, lambda snapshot: snapshot.parents[0] if snapshot.parents else None)


def _walk(objects: Objects, tip: str, older: Callable[[Snapshot], str | None]) -> Iterator[Snapshot]:
    at: str | None = tip
    while at is not None and objects.exists(at):
        snapshot = read_snapshot(objects, at)
        if snapshot is None:
            return
        yield snapshot
        at = older(snapshot)


def merged_tips(objects: Objects, tip: str) -> Iterator[str]:
    """Yield a commit and what was merged into its chain, newest first, recursively."""
    pending, seen = deque([tip]), set[str]()
    while pending and len(seen) < MOST_MERGED:
        one = pending.popleft()
        if one in seen or not objects.exists(one):
            continue
        seen.add(one)
        yield one
        for snapshot in islice(chain(objects, one), REMEMBERED):
            pending += snapshot.parents[1:]
