"""Undo the newest command that changed the user's files, complete or interrupted; and redo it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from bough_daemon.commands.hop import was_ignored
from bough_daemon.errors import NothingToRedo, NothingToUndo
from bough_daemon.git import index
from bough_daemon.git.refs import backward, check_free, check_idle, commit_of
from bough_daemon.git.worktree import Head
from bough_daemon.history.ancestry import walk_back_ahead
from bough_daemon.history.journal import Journal, Operation
from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.transaction import checkpoint
from bough_daemon.transaction.checkpoint import Checkpoint
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.edits_left import EditsLeft, edits_left
from bough_daemon.transaction.file_state import FileState, FileStep, differences
from bough_daemon.transaction.new_files import Goal, made_ahead
from bough_daemon.transaction.transaction import Transaction, carry_out, check_ready, journal_of, recover, steadily


@dataclass(frozen=True)
class Undone:
    """The result of an undo or a redo. `command`: the command. `snapshot`: the newest on my branch.

    `kept`: a commit in the store with saves from the moment when the command was killed; None: there were none.
    `edits`: the user's edits since the command that are not in the files now.
    """

    command: str
    snapshot: Snapshot
    edits: EditsLeft
    kept: str | None = None


async def undo(live: LiveWorktree) -> Undone:
    """Restore files, index, HEAD and branches as they were before the newest command, or raise NothingToUndo.

    After a hop, everything is as before it; after other commands, later edits of other files stay. The current state is
    recorded first, as before any command.
    """
    check_idle(live.worktree)
    left = await live.owner.run(recover, live)

    async def attempt() -> Undone:
        snapshot = await live.save()
        await live.beside(lambda there: _prepare(there, snapshot, journal_of(there).newest()))
        goal = partial(_goal, snapshot=snapshot, of=Journal.newest)
        async with made_ahead(live, snapshot.tree, goal) as ready:
            snapshot = await live.save() if ready.staged is not None else snapshot
            return await live.owner.run(_undo, ready, snapshot)

    return replace(await steadily(attempt), kept=left.kept)


async def redo(live: LiveWorktree) -> Undone:
    """Redo the newest command that was undone; raise NothingToRedo if there is none or another command came after it.

    Later edits of other files stay.
    """
    await live.owner.run(check_ready, live)

    async def attempt() -> Undone:
        snapshot = await live.save()
        await live.beside(lambda there: _prepare(there, snapshot, journal_of(there).redoable()))
        goal = partial(_goal, snapshot=snapshot, of=Journal.redoable)
        async with made_ahead(live, snapshot.tree, goal) as ready:
            snapshot = await live.save() if ready.staged is not None else snapshot
            return await live.owner.run(_redo, ready, snapshot)

    return await steadily(attempt)


def _prepare(live: LiveWorktree, snapshot: Snapshot, operation: Operation | None) -> None:
    """Ask and copy beforehand, where no save waits for it, what going back to before an operation needs of Git."""
    before = checkpoint.read(live.store.objects, operation.before) if operation is not None else None
    then = read_snapshot(live.store.objects, before.snapshot) if before is not None else None
    if before is None:
        return
    if then is not None:
        walk_back_ahead(live.store, then, before.head.commit)
    if before.head.commit != snapshot.base:
        live.store.give_ahead(before.head.commit)


def _goal(live: LiveWorktree, snapshot: Snapshot, of: Callable[[Journal], Operation | None]) -> Goal | None:
    """Return what the files will be once an operation of the journal is undone; None without one."""
    operation = of(journal_of(live))
    if operation is None:
        return None
    before = checkpoint.read(live.store.objects, operation.before)
    return Goal(_picture(live, operation, before, snapshot), before.hidden)


def _undo(live: LiveWorktree, snapshot: Snapshot) -> Undone:
    operation = journal_of(live).newest()
    if operation is None:
        raise NothingToUndo("there is no command to undo")
    return _take_back(live, operation, snapshot, "undo")


def _redo(live: LiveWorktree, snapshot: Snapshot) -> Undone:
    undone = journal_of(live).redoable()
    if undone is None:
        raise NothingToRedo("there is no undone command to redo")
    return replace(_take_back(live, undone, snapshot, "redo"), command=undone.command.removeprefix("undo "))


def _take_back(live: LiveWorktree, operation: Operation, snapshot: Snapshot, event: str) -> Undone:
    before = checkpoint.read(live.store.objects, operation.before)
    head = _head_before(live, operation, before)
    ignored = was_ignored(live, snapshot, operation.hop, before.picture) if operation.hop is not None else frozenset()
    change = Transaction(
        command=f"{event} {operation.command.removeprefix('undo ')}",
        picture=_picture(live, operation, before, snapshot),
        said=f"bough: {event} {operation.command.removeprefix('undo ')}",
        head=head,
        refs=backward(live.worktree, operation.refs),
        place=before if operation.moves_index else None,
        given=[before.head.commit],
        spared=index.hidden_paths(live.worktree) | before.hidden | ignored,
        placed=[step.path for step in _steps(live, operation, before) if step.before is None and step.arrives],
        undoes=operation.number,
    )

    def record() -> Snapshot:
        tree = change.picture.tree if operation.keeps_hop else before.tree
        base, then = live.worktree.head().commit, read_snapshot(live.store.objects, before.snapshot)
        company = snapshot.company
        if not operation.keeps_hop and then is not None:
            company = company.as_at(then.company)
        return live.branch.record(tree, base, event, since=snapshot.tree, onto=before.snapshot, company=company)

    # What a hook changed in the files is in the commit, and is not the user's edit.
    present = [change.picture.tree, *_committed(live, operation)]
    edits = edits_left(live.store.objects, operation.toward, snapshot, present, ignored)
    return Undone(operation.command, carry_out(live, change, snapshot, record), edits)


def _committed(live: LiveWorktree, operation: Operation) -> list[str]:
    """Return the trees of the commits that an operation moved branches to, if they are here."""
    commits = dict.fromkeys(commit for way in operation.refs.values() for commit in way[1:] if commit is not None)
    objects = live.store.objects
    return [objects.commit(commit).tree for commit in commits if objects.exists(commit)]


def _head_before(live: LiveWorktree, operation: Operation, before: Checkpoint) -> Head | None:
    """Return where HEAD goes, None if the operation did not touch it."""
    if not operation.moves_head:
        return None
    if before.head.branch is None:
        return before.head
    check_free(live.worktree, before.head.branch)
    # On a branch that has moved on, the earlier files and index would look like an edit that reverts its commits.
    unmoved = commit_of(live.worktree, before.head.branch) == before.head.commit
    return before.head if unmoved or before.head.branch in operation.refs else Head(None, before.head.commit)


def _picture(live: LiveWorktree, operation: Operation, before: Checkpoint, snapshot: Snapshot) -> FileState:
    """Return what the files will be: all as before a hop or a return, else only what the operation changed."""
    if not operation.keeps_hop:
        return before.picture
    steps = _steps(live, operation, before)
    tree = live.store.objects.splice(snapshot.tree, {step.path: step.before for step in steps})
    touched = {step.path for step in steps}
    raw = {path: oid for path, oid in before.picture.raw.items() if path in touched}
    return FileState(tree, raw, before.picture.modes)


def _steps(live: LiveWorktree, operation: Operation, before: Checkpoint) -> list[FileStep]:
    """Return what the operation changed, or was going to change."""
    found: dict[str, FileStep] = {}
    for tree in (*operation.by_way_of, operation.toward):
        found |= {step.path: step for step in differences(live.store.objects, before.picture, FileState(tree))}
    return list(found.values())
