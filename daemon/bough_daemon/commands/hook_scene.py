"""What hooks see while a commit is made that builds on more than HEAD: files, index and HEAD as that commit has them.

They are placed first, as one command that stays open in the journal: it is completed once the commit is published, or
everything is put back. If the daemon is killed in between, `bough undo` reverses the interrupted command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypedDict

from bough_daemon.commands.merge import Merged, merge_commits
from bough_daemon.errors import HeadMoved
from bough_daemon.git import index
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.refs import Moves
from bough_daemon.git.worktree import Head
from bough_daemon.history.journal import Operation
from bough_daemon.history.timeline import Snapshot
from bough_daemon.merging.merge_input import Both
from bough_daemon.transaction import checkpoint
from bough_daemon.transaction.checkpoint import Checkpoint
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.edits_left import EditsLeft
from bough_daemon.transaction.file_state import FileState, differences
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.transaction import Transaction, carry_out, journal_of, steadily

KIND = "land"
NO_MOVES: Moves = MappingProxyType({})


@dataclass(frozen=True)
class Scene:
    """Files, index and HEAD set up for hooks. `operation`: the open command. `files`: the tree; `base`: its commit.

    `heads`: the commits that HEAD was on, the one before the scene first.
    """

    operation: Operation
    files: str
    base: str
    heads: tuple[str, ...]


@dataclass(frozen=True)
class PutBack:
    """Everything is as before. `snapshot`: the newest on my branch. `edits`: recorded ones that fit only the scene."""

    snapshot: Snapshot
    edits: EditsLeft


class _HeadMove(TypedDict, total=False):
    head: Head
    refs: Moves


async def files_on(
    live: LiveWorktree, mine: Snapshot, now: Snapshot, tree: str, both: Both, base: str | None = None
) -> Merged:
    """Return my files on a tree that contains the work of `mine`; withheld files stay.

    What was saved between then and `now` is carried over; with `base`, what was saved since the files were placed.
    """
    since = base or mine.oid

    def beside() -> str:
        objects = live.store.objects
        withheld = objects.difference(objects.commit(mine.shared).tree, mine.tree)
        own: dict[str, TreeEntry | None] = {path: entry for path, _, entry in withheld}
        return objects.write_commit(objects.splice(tree, own), [since], live.branch.author, 0, "landed\n")

    return await merge_commits(live, now.oid, await live.owner.run(beside), both, also=[base] if base else [])


async def set_scene(live: LiveWorktree, mine: Snapshot, tree: str, parents: Sequence[str], both: Both) -> Scene:
    """Place `tree`, which contains the work of `mine`, HEAD at the first of `parents` and an index at `tree`.

    The branch that HEAD is on moves along. Raise NotPossibleNow if simultaneous edits conflict.
    """

    async def attempt() -> Scene:
        now = await live.save()
        placed = await files_on(live, mine, now, tree, both)
        if placed.conflicts:
            raise HeadMoved(f"{placed.conflicts[0]} was edited meanwhile")
        return await live.owner.run(_place, live, now, placed.tree, tree, parents)

    return await steadily(attempt)


def _place(live: LiveWorktree, now: Snapshot, files: str, tree: str, parents: Sequence[str]) -> Scene:
    worktree, only = live.worktree, index_only(live, now.tree, files)
    old = worktree.head()
    change = Transaction(
        command=KIND,
        picture=FileState(files),
        said="bough: land, before the hooks",
        index=lambda: index.at_commit(worktree, tree, hidden=only.hidden, outside=only.outside),
        given=[tree, *parents],
        spared=only.spared,
        ends="begun",
        **_head_to(old, parents[0]),
    )
    live.store.arrive(parents[0])
    base = live.store.objects.write_commit(files, [now.oid], live.branch.author, 0, "placed\n")
    contains = list(parents)
    carry_out(live, change, now, lambda: live.branch.record(files, parents[0], KIND, since=now.tree, contains=contains))
    return Scene(_open_operation(live), files, base, (old.commit, parents[0]))


async def move_on(live: LiveWorktree, scene: Scene, commit: str, *, clean: bool) -> Scene:
    """Move HEAD to the commit that was made, as after `git commit`; the scene stays set.

    `clean`: whether the index matches the commit, so that it can stay.
    """

    async def attempt() -> Scene:
        now = await live.save()
        return await live.owner.run(_move_on, live, scene, now, commit, clean)

    return await steadily(attempt)


def _move_on(live: LiveWorktree, scene: Scene, now: Snapshot, commit: str, clean: bool) -> Scene:
    head, hidden = live.worktree.head(), index.hidden_paths(live.worktree)
    if head.commit != scene.heads[-1]:
        raise HeadMoved("HEAD moved while the hooks ran; nothing was published")
    change = Transaction(
        command=KIND,
        picture=FileState(now.tree),
        said="bough: land",
        index=None if clean else lambda: index.at_commit(live.worktree, commit, hidden=hidden),
        given=[commit],
        spared=hidden,
        continues=scene.operation,
        ends="begun",
        **_head_to(head, commit),
    )
    live.store.arrive(commit)
    carry_out(live, change, now, lambda: live.branch.record(now.tree, commit, KIND, since=now.tree, contains=[commit]))
    return replace(scene, operation=_open_operation(live), heads=(*scene.heads, commit))


async def put_back(live: LiveWorktree, scene: Scene, both: Both, *, landed: Moves = NO_MOVES) -> PutBack:
    """Put files, index and HEAD back as they were before the scene was set, carrying over edits made meanwhile.

    `landed`: branches that move at the command's end; without any, it had no effect. Raise NotPossibleNow if HEAD has
    moved meanwhile: then everything stays as it is.
    """

    async def attempt() -> PutBack:
        now = await live.save()
        before = await live.owner.run(checkpoint.read, live.store.objects, scene.operation.before)
        carried = await _carried(live, scene, before, now, both)
        snapshot = await live.owner.run(_back, live, scene, before, now, carried, landed)
        return PutBack(snapshot, EditsLeft(carried.aside, scene.files, now.oid))

    return await steadily(attempt)


@dataclass(frozen=True)
class _Carried:
    """The earlier files with what was edited since: `tree`, and the paths for which that was not possible."""

    tree: str
    aside: tuple[str, ...] = field(default=())


async def _carried(live: LiveWorktree, scene: Scene, before: Checkpoint, now: Snapshot, both: Both) -> _Carried:
    """Return the earlier files with what was edited since the scene was placed."""
    objects, home = live.store.objects, before.picture.tree
    if now.tree == scene.files:
        return _Carried(home)
    target = await live.owner.run(objects.write_commit, home, [scene.base], live.branch.author, 0, "before\n")
    merged = await merge_commits(live, now.oid, target, both, also=[scene.base])

    def without_conflicts() -> str:
        return objects.splice(merged.tree, {path: objects.entry(home, path) for path in merged.conflicts})

    tree = await live.owner.run(without_conflicts) if merged.conflicts else merged.tree
    return _Carried(tree, tuple(merged.conflicts))


def _back(
    live: LiveWorktree, scene: Scene, before: Checkpoint, now: Snapshot, carried: _Carried, landed: Moves
) -> Snapshot:
    objects, head = live.store.objects, live.worktree.head()
    if head.branch != before.head.branch or head.commit not in scene.heads:
        journal_of(live).finish(scene.operation)
        raise HeadMoved("HEAD moved while the hooks ran, so files, index and HEAD stay as they are now")
    steps = differences(objects, before.picture, FileState(scene.files))
    touched = {step.path for step in steps}
    raw = {path: oid for path, oid in before.picture.raw.items() if path in touched}
    move = _head_to(head, before.head.commit)
    change = Transaction(
        command=KIND,
        picture=FileState(carried.tree, raw, before.picture.modes),
        said="bough: land, after the hooks",
        head=move.get("head"),
        refs={**move.get("refs", {}), **landed},
        place=before,
        given=[before.head.commit],
        spared=index.hidden_paths(live.worktree) | before.hidden,
        placed=[step.path for step in steps if step.before is None and step.arrives],
        continues=scene.operation,
        ends="done" if landed else "dropped",
    )
    event = KIND if landed else "undo"
    return carry_out(
        live,
        change,
        now,
        lambda: live.branch.record(carried.tree, before.head.commit, event, since=now.tree, onto=before.snapshot),
    )


def _head_to(head: Head, commit: str) -> _HeadMove:
    """Return the move that puts HEAD, and the branch that it is on, at a commit."""
    if head.commit == commit:
        return {}
    if head.branch is None:
        return {"head": Head(None, commit)}
    return {"refs": {head.branch: (head.commit, commit)}}


def _open_operation(live: LiveWorktree) -> Operation:
    operation = journal_of(live).interrupted()
    assert operation is not None
    return operation
