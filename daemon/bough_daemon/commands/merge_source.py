"""Find what `bough merge NAME` brings in: a live branch, or any Git branch, here or on a remote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from bough_daemon.api.notices import (
    CommitsLeftOut,
    LocalCommitsNotMerged,
    MergeNote,
    RemoteUnreachable,
    StateBeforeOperation,
)
from bough_daemon.commands.shared_branch import Target, newest
from bough_daemon.commands.taken_out import TakenOut, taken_out, tracked_tip
from bough_daemon.errors import (
    BadUsage,
    GitFailed,
    InTheMiddle,
    NoSharedBranch,
    NothingSolid,
    NotPossibleNow,
    UnknownMember,
)
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.objects import Objects
from bough_daemon.git.refs import commit_of, short
from bough_daemon.history.ancestry import settled_before
from bough_daemon.history.taken_away import Side
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.terminal import Terminal

MOST_SEARCHED = 20_000  # snapshots in which one that was marked as solid is searched


@dataclass(frozen=True)
class MergeSource:
    """The source of a merge. `name`: for messages. `commit`: what to merge. `brought`: what then counts as merged.

    `author`: the member whose live branch it is; None for a Git branch. `note`: what is special about the choice.
    `taken_out`: what a forced push removed from the shared branch, and this would bring back.
    """

    name: str
    commit: str
    brought: str
    author: Side | None = None
    note: MergeNote | None = None
    taken_out: TakenOut | None = None


async def source_of(live: LiveWorktree, terminal: Terminal, name: str, mine: Snapshot) -> MergeSource:
    """Return the source with this name: a live branch first, then a Git branch; or raise UnknownMember."""
    teammate = live.teammate(name)
    if teammate is not None:
        return await live.beside(lambda there: _live_branch(there, teammate, mine))
    return await _git_branch(live, terminal, name, mine)


def known_source(live: LiveWorktree, name: str, mine: Snapshot, *, solid: bool = False) -> MergeSource:
    """Return the source with this name, as `source_of` does, without fetching. Beside the store's thread.

    `solid`: its last solid state, or raise NothingSolid; for a Git branch, raise BadUsage.
    """
    teammate = live.teammate(name)
    if teammate is not None:
        return _live_branch(live, solid_state(live, teammate) if solid else teammate, mine)
    if solid:
        raise BadUsage(f"{name} is not a teammate's branch: only these have states that are marked as solid")
    target = Target.known(live)
    if target is not None and name in _names(target):
        return _shared_branch(live, target, tracked_tip(live, target), None, mine)
    commit = _commit_named(live, name)
    if commit is None:
        raise UnknownMember(f"no live branch and no Git branch is named {name}", name=name)
    return MergeSource(name, commit, commit)


def _live_branch(live: LiveWorktree, teammate: LiveBranch, mine: Snapshot) -> MergeSource:
    """Return a live branch as it was before an operation in progress: in a rebase its files are nobody's work."""
    tip = read_snapshot(live.store.objects, teammate.tip)
    note = None
    if tip is not None and tip.operation:
        settled = settled_before(live.store.objects, tip)
        if settled is None or not live.store.objects.exists(settled.base):
            raise InTheMiddle(
                f"{teammate.name} has a {tip.operation} in progress, and no earlier state is here",
                name=teammate.name,
            )
        note = StateBeforeOperation(teammate.name, tip.operation)
        teammate = LiveBranch(teammate.name, settled.oid, settled.base)
    gone = _brought_back(live, teammate, mine)
    author = Side(teammate.tip, teammate.base)
    return MergeSource(f"{teammate.name}'s branch", teammate.tip, teammate.tip, author, note, gone)


def _brought_back(live: LiveWorktree, teammate: LiveBranch, mine: Snapshot) -> TakenOut | None:
    """Return what a teammate's branch has, and mine does not, of what a forced push removed from the shared branch."""
    if live.store.is_ancestor(teammate.base, mine.oid):
        return None
    target = Target.known(live)
    tip = tracked_tip(live, target) if target is not None else None
    if target is None or tip is None:
        return None
    gone = taken_out(live, target, tip, teammate.tip)
    return gone if gone is not None and not live.store.is_ancestor(gone.newest, mine.oid) else None


async def _git_branch(live: LiveWorktree, terminal: Terminal, name: str, mine: Snapshot) -> MergeSource:
    """Return a Git branch; for the shared branch, the remote's newest state and what is only here."""
    target = await _target_named(live, terminal, name)
    if target is None:
        commit = await live.beside(lambda there: _commit_named(there, name))
        if commit is None:
            raise UnknownMember(f"no live branch and no Git branch is named {name}", name=name)
        return MergeSource(name, commit, commit)
    note, fetched = None, None
    try:
        fetched = await target.fetched(live, terminal)
    except GitFailed:
        note = RemoteUnreachable(target.remote or "")
        fetched = await live.owner.run(tracked_tip, live, target)
    return await live.beside(lambda there: _shared_branch(there, target, fetched, note, mine))


def _shared_branch(
    live: LiveWorktree, target: Target, fetched: str | None, note: MergeNote | None, mine: Snapshot
) -> MergeSource:
    """Return the newest of the shared branch; what a forced push took out of it goes here as well."""
    local = commit_of(live.worktree, target.ref)
    if local is not None and live.store.is_ancestor(local, mine.oid):
        local = None
    tips = newest(live.store, [oid for oid in (fetched, local) if oid is not None])
    if not tips:
        raise NoSharedBranch(f"{target.place} does not exist yet", branch=target.name)
    live.store.arrive(tips[0])
    gone = taken_out(live, target, fetched, mine.oid) if fetched is not None else None
    if gone is not None and fetched is not None:
        # As if the forced push were a commit on what it took out.
        commit = _commit_with(live, fetched, [fetched, gone.newest])
        return MergeSource(target.place, commit, fetched, note=CommitsLeftOut(gone.branch, list(gone.commits)))
    if len(tips) > 1:
        note = LocalCommitsNotMerged(short(target.ref), target.place)
    return MergeSource(target.place, tips[0], tips[0], note=note)


def _commit_with(live: LiveWorktree, commit: str, parents: Sequence[str]) -> str:
    objects = live.store.objects
    return objects.write_commit(objects.commit(commit).tree, parents, live.branch.author, 0, "forced push\n")


async def _target_named(live: LiveWorktree, terminal: Terminal, name: str) -> Target | None:
    """Return the shared branch where that is what a name means, else None."""
    try:
        target = await Target.of(live, terminal)
    except (BadUsage, GitFailed, NotPossibleNow):
        return None
    return target if name in _names(target) else None


def _names(target: Target) -> set[str]:
    """Return what a shared branch is called."""
    return {target.name, target.ref, short(target.ref), f"{target.remote}/{target.name}"}


def _commit_named(live: LiveWorktree, name: str) -> str | None:
    """Return the commit of a branch or tag, here or as a remote's was fetched last; None if there is none."""
    full = [name] if name.startswith("refs/") else [f"refs/{kind}/{name}" for kind in ("heads", "remotes", "tags")]
    commit = next(filter(None, (commit_of(live.worktree, ref) for ref in full)), None)
    if commit is not None:
        live.store.arrive(commit)
    return commit


def is_here(objects: Objects, marked: str) -> bool:
    """Return whether what a mark names is here: a teammate may write anything."""
    return OBJECT_ID.fullmatch(marked) is not None and objects.exists(marked)


def solid_state(live: LiveWorktree, theirs: LiveBranch, searched: str = "") -> LiveBranch:
    """Return a live branch as it was when it was marked last; raise NothingSolid. Beside the store's thread.

    Only a snapshot of that very branch counts: a mark may name anything, and what is taken is shared with the team.
    `searched`: an earlier tip, at which the mark was searched in vain.
    """
    name, objects = theirs.name, live.store.objects
    marked = live.solid(name)
    if not marked:
        raise NothingSolid(f"{name} has not marked a state as solid", name=name)
    if not is_here(objects, marked):
        raise NothingSolid(f"the state that {name} marked as solid is not here", name=name)
    newer = takewhile(lambda one: one.oid != searched, islice(timeline(objects, theirs.tip), MOST_SEARCHED))
    found = next((one for one in newer if one.oid == marked), None)
    if found is None:
        why = f"the state that {name} marked as solid is not among the newest {MOST_SEARCHED:,} of {name}'s branch"
        raise NothingSolid(why, name=name, searched=theirs.tip)
    if not objects.exists(found.base):
        raise NothingSolid(f"the commit of the state that {name} marked as solid is not here", name=name)
    return LiveBranch(name, found.oid, found.base, theirs.connected)
