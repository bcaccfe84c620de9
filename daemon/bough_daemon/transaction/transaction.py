"""One change of the user's files: recorded first, carried out as a whole, and recorded again, so it can be undone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from bough_daemon.errors import CutShort, ForeignGitDirectory, Unresolved
from bough_daemon.git import index
from bough_daemon.git.filters import ignored_under
from bough_daemon.git.objects import EMPTY_TREE
from bough_daemon.git.refs import Moves, check_idle, move_head, move_refs
from bough_daemon.git.worktree import Head, Worktree
from bough_daemon.history.journal import Hop, Journal, Operation, State
from bough_daemon.history.timeline import Snapshot
from bough_daemon.privacy.withheld import BARE, Inside
from bough_daemon.system.text import printable
from bough_daemon.transaction import checkpoint, rescued_saves
from bough_daemon.transaction.apply import apply, rescue
from bough_daemon.transaction.checkpoint import Checkpoint
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import Disturbed, FileState, differences, is_file

TRIES = 5  # attempts, while someone saves at the very moment that files are placed

TAKEN_BACK = "bough: undone"
CUT_SHORT = "cut short"

COMMANDS_GIT = re.compile(r"(^|/)(HEAD|config|config\.worktree|commondir|hooks/[^/]+)$")  # in a Git directory

T = TypeVar("T")
Step = Callable[[], None]


@dataclass(frozen=True)
class Recovered:
    """The state after a kill. `interrupted`: the interrupted command. `kept`: a commit in the store.

    It has saves from the very moment of the kill; None if there were none.
    """

    interrupted: Operation | None
    kept: str | None


@dataclass(frozen=True)
class Transaction:
    """The plan of a command.

    `command`: as it was typed (`hop alice`). `picture`: the files. `said`: for the reflog. `head`: where HEAD goes;
    None: it stays. `refs`: branches to move. `index`: returns the index file, once the files are in place, or None
    if it is right as it is; None: it stays. `place`: the checkpoint whose index is restored. `given`: what HEAD, index
    or refs will name. `spared`: paths to leave alone. `placed`: paths that an earlier change put there, and that are
    removed even if Git ignores them by now. `hop`: the hop after it, unless `keeps_hop`; without a `home` it is this
    command's starting point. `undoes`: the number of an operation. `origins`: the snapshots that paths are restored
    from. `continues`: the operation that this is a part of. `ends`: its state afterwards: `begun` if a further part
    follows, `dropped` if everything is as before.
    """

    command: str
    picture: FileState
    said: str
    head: Head | None = None
    refs: Moves = field(default_factory=dict)
    index: Callable[[], bytes | None] | None = None
    place: Checkpoint | None = None
    given: Sequence[str] = ()
    spared: Collection[str] = ()
    placed: Collection[str] = ()
    hop: Hop | None = None
    keeps_hop: bool = True
    undoes: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    continues: Operation | None = None
    ends: State = "done"


def journal_of(live: LiveWorktree) -> Journal:
    """Return the journal of a worktree."""
    return Journal.of(live.store.folder, live.worktree)


def recover(live: LiveWorktree) -> Recovered:
    """Clean up what a killed daemon left here; called when a worktree becomes live, on the store's thread.

    Files, HEAD and index stay as they are: the user decides whether the command is undone.
    """
    index.clear_up(live.worktree)
    broken = journal_of(live).interrupted()
    if broken is not None:
        _contain_less(live, broken)
    found = rescue(live.worktree, live.store.objects, live.scratch)
    return Recovered(broken, rescued_saves.keep(live, found) if found else None)


def _contain_less(live: LiveWorktree, broken: Operation) -> None:
    """Continue my branch from a snapshot that does not contain anyone whose work the half-changed files may lack.

    Else the next snapshot would say that I removed it, and a merge would believe that.
    """
    tip, hop = live.branch.tip, journal_of(live).hop()
    onto = hop.mine if hop is not None else checkpoint.read(live.store.objects, broken.before).snapshot
    if tip is not None and tip.oid != onto and tip.event != CUT_SHORT:
        live.branch.record(tip.tree, tip.base, CUT_SHORT, onto=onto, company=tip.company.left())


def overlooked(live: LiveWorktree, old: str, new: str) -> frozenset[str]:
    """Return the files that a tree has beyond another, and that its own rules ignore: the next save would drop them."""
    steps = differences(live.store.objects, FileState(old), FileState(new))
    added = [step.path for step in steps if step.before is None and is_file(step.after)]
    return ignored_under(live.worktree, live.store.objects, new, added, live.scratch)


def check_no_repository(live: LiveWorktree, old: str, new: str, by: str) -> None:
    """Raise NotPossibleNow if a tree from someone else has a Git directory: plain git there would obey its config.

    `old`: the current files; an existing one is no reason, until its settings or hooks change. Nor is any if the user
    has told git not to use such folders as repositories.
    """
    objects = live.store.objects
    inside = Inside(objects, EMPTY_TREE, new)
    for path, _, now in objects.difference(old, new):
        if now is None or not COMMANDS_GIT.search(path):
            continue
        folder, why = inside.other_repository(path)
        if why == BARE and live.worktree.config("safe.bareRepository") != "explicit":
            raise ForeignGitDirectory(
                f"{by} has a Git directory in {printable(folder or path)}: plain git would run commands from it",
                path=folder or path,
            )


def check_ready(live: LiveWorktree) -> None:
    """Raise NotPossibleNow during a Git operation, with an open conflict, or after an interrupted command."""
    broken = journal_of(live).interrupted()
    if broken is not None:
        raise CutShort(f"`{broken.command}` was cut short; `bough undo` reverses it", command=broken.command)
    check_idle(live.worktree)
    _check_resolved(live.worktree)


def _check_resolved(worktree: Worktree) -> None:
    unmerged = index.unmerged_paths(worktree)
    if unmerged:
        raise Unresolved(f"{unmerged[0]} has unresolved conflicts", path=unmerged[0])


def _check_not_in_the_middle(worktree: Worktree, change: Transaction, snapshot: Snapshot) -> None:
    """Raise NotPossibleNow if a Git operation has begun, or left a conflict, since the command was allowed to."""
    stays = change.head is None and change.index is None and change.place is None
    if change.continues is not None or (stays and change.picture.tree == snapshot.tree):
        return
    check_idle(worktree)
    if change.undoes is None:  # what is undone may be a merge with conflicts
        _check_resolved(worktree)


def carry_out(live: LiveWorktree, change: Transaction, snapshot: Snapshot, record: Callable[[], Snapshot]) -> Snapshot:
    """Carry out a change of files that are as in `snapshot`, and return what `record` puts on my branch.

    On the store's thread. Raise Disturbed if the files differ, and NotPossibleNow if a Git operation has begun since
    the command did: then, and after any other failure, everything is as before.
    """
    worktree, journal = live.worktree, journal_of(live)
    with index.lock(worktree) as lock:
        _check_not_in_the_middle(worktree, change, snapshot)
        if worktree.head().commit != snapshot.base:
            raise Disturbed("HEAD")
        before = checkpoint.record(live, snapshot, change.picture, change.placed)
        live.store.give([oid for oid in change.given if oid != snapshot.base])  # HEAD names that already
        if change.place is not None:
            checkpoint.give(live, change.place, snapshot.base)
        if change.continues is None:
            operation = journal.begin(_operation(change, before))
        else:
            operation = journal.go_on(_further(live, change.continues, change, snapshot))
        reversals: list[Step] = []
        try:
            for step, reversal in _steps(live, change, before, lock):
                step()
                reversals.append(reversal)
            # Before the operation is done: what my branch contains decides what a later merge takes for removed.
            recorded = record()
        except BaseException:
            for reversal in reversed(reversals):
                reversal()
            if change.continues is None:
                journal.drop(operation)
            raise
        if change.ends != "begun":
            journal.close(operation, change.ends, recorded.oid)
    return recorded


def _further(live: LiveWorktree, operation: Operation, change: Transaction, snapshot: Snapshot) -> Operation:
    """Return an operation with its next part; what was saved since it began is not part of it."""
    objects, ways = live.store.objects, dict(operation.refs)
    steps = differences(objects, FileState(snapshot.tree), change.picture)
    for ref, (now, then) in change.refs.items():
        way = ways.get(ref, (now,))
        ways[ref] = (*way, *(() if way[-1] == now else (now,)), then)
    return replace(
        operation,
        by_way_of=(*operation.by_way_of, operation.toward),
        toward=objects.splice(operation.toward, {step.path: step.after for step in steps}),
        refs=ways,
        moves_head=operation.moves_head or change.head is not None,
        moves_index=operation.moves_index or change.index is not None or change.place is not None,
    )


async def steadily(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt`; if someone saved at that moment, repeat it from the save, a few times."""
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except Disturbed:
            continue
    return await attempt()


def _steps(
    live: LiveWorktree, change: Transaction, before: Checkpoint, lock: index.Lock
) -> Iterator[tuple[Step, Step]]:
    """Yield the steps, each with its reversal: files, branches, HEAD, index."""
    worktree, old, new = live.worktree, before.picture, change.picture

    def place_files(now: FileState, then: FileState) -> None:
        keep = partial(rescued_saves.keep, live)
        places = partial(apply, scratch=live.scratch, spared=change.spared, cwd=live.cwd, discard=live.discard)
        places(worktree, live.store.objects, now, then, keep=keep, staged=live.staged)

    yield partial(place_files, old, new), partial(place_files, new, old)
    if change.refs:
        there = {ref: (then, now) for ref, (now, then) in change.refs.items()}
        yield partial(move_refs, worktree, change.refs, change.said), partial(move_refs, worktree, there, TAKEN_BACK)
    if change.head is not None:
        home = partial(move_head, worktree, before.head, TAKEN_BACK)
        yield partial(move_head, worktree, change.head, change.said), home
    as_before = partial(checkpoint.put_index, live, before, lock)
    if change.place is not None:
        yield partial(checkpoint.put_index, live, change.place, lock), as_before
    elif change.index is not None:
        yield partial(_make_index, change.index, lock), as_before


def _make_index(make: Callable[[], bytes | None], lock: index.Lock) -> None:
    data = make()
    if data is not None:
        lock.replace(data)


def _operation(change: Transaction, before: Checkpoint) -> Operation:
    return Operation(
        number=0,
        command=change.command,
        before=before.oid,
        toward=change.picture.tree,
        at=0.0,
        refs=change.refs,
        moves_head=change.head is not None,
        moves_index=change.index is not None or change.place is not None,
        hop=replace(change.hop, home=change.hop.home or before.oid) if change.hop is not None else None,
        keeps_hop=change.keeps_hop,
        undoes=change.undoes,
        origins=change.origins,
    )
