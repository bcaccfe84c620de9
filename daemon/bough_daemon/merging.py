"""Merge two commits of the store: Git finds the base and the paths, the engine decides what both sides changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pygit2

from bough_daemon.branches import Snapshot
from bough_daemon.change import Change, carry_out, check_ready, overlooked, steadily
from bough_daemon.errors import UnrelatedHistory
from bough_daemon.git import Git
from bough_daemon.index import Stage, changed, hidden_paths
from bough_daemon.landed import knowing, learn
from bough_daemon.live import Live, Teammate
from bough_daemon.objects import Entry, Objects
from bough_daemon.picture import Picture, is_file
from bough_daemon.store import Store

WHO = "bough <bough@localhost> 0 +0000"

Both = Callable[[bytes | None, bytes, bytes, str], tuple[bytes, Sequence[Any], str, Sequence[Any]]]
"""Merge a file that both sides changed: (base, ours, theirs, path) → (content, conflicts, method, findings).

Where `conflicts` is not empty, `content` carries diff3 markers.
"""


@dataclass(frozen=True)
class File:
    """How one file that both sides changed was merged."""

    path: str
    result: Literal["clean", "conflict"]
    method: str
    findings: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Merged:
    """The result of a merge. `tree`: with diff3 markers where there are conflicts. `stages`: those, for the index."""

    result: Literal["clean", "conflict", "same"]
    tree: str
    files: tuple[File, ...]
    stages: tuple[Stage, ...] = ()

    @property
    def conflicts(self) -> list[str]:
        """The paths that need a human."""
        return [file.path for file in self.files if file.result == "conflict"]


@dataclass(frozen=True)
class _Open:
    """A file that Git could not merge: (base, ours, theirs), and the mode that it will have."""

    path: str
    sides: tuple[bytes | None, bytes, bytes]
    mode: int


@dataclass(frozen=True)
class _Outcome:
    """What Git made of a merge, before anybody looked into the files that it could not merge."""

    ours: str
    tree: str
    stages: Mapping[str, tuple[Stage, ...]]
    said: Mapping[str, tuple[str, ...]]
    merged: tuple[str, ...]
    open: tuple[_Open, ...] = ()


async def merge_commits(live: Live, ours: str, theirs: str, both: Both, *, also: Sequence[str] = ()) -> Merged:
    """Merge two commits of the store; nothing of the user's is touched, and the result is in the store.

    `also`: commits that `ours` contains, though its history does not say so (what the team sees of it).
    """
    outcome = await live.owner.run(_by_git, live.store, ours, theirs, [oid for oid in also if oid != ours])
    decided = await asyncio.to_thread(lambda: [(file, both(*file.sides, file.path)) for file in outcome.open])
    return await live.owner.run(_combined, live.store.objects, outcome, decided)


def _by_git(store: Store, ours: str, theirs: str, also: Sequence[str]) -> _Outcome:
    if store.merge_base(ours, theirs) is None:
        raise UnrelatedHistory("the two branches share no commit")
    learn(store, ours, theirs)
    objects = store.objects
    mine = objects.commit(ours).tree
    with store.quarantine() as git:
        if also:
            ours = _commit(git, mine, [ours, *also])
        out = knowing(git).run("merge-tree", "--write-tree", "-z", "--messages", ours, theirs, allowed=(0, 1))
        _keep_new(objects, git)
    outcome = _parsed(mine, out)
    objects.own_tree_difference(mine, outcome.tree)
    files = (_open(objects, outcome.tree, path, stages) for path, stages in outcome.stages.items())
    return replace(outcome, open=tuple(file for file in files if file is not None))


def _commit(git: Git, tree: str, parents: Sequence[str]) -> str:
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {WHO}", f"committer {WHO}"]
    raw = "\n".join(lines) + "\n\nmine\n"
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode()).decode().strip()


def _keep_new(objects: Objects, git: Git) -> None:
    """Take the trees and blobs that git wrote in quarantine into the store."""
    folder = git.environment["GIT_OBJECT_DIRECTORY"]
    written = pygit2.Odb(folder)
    for first in os.listdir(folder):
        for rest in os.listdir(os.path.join(folder, first)) if len(first) == 2 else []:
            kind, data = written.read(first + rest)
            if kind != pygit2.enums.ObjectType.COMMIT:
                objects.write("tree" if kind == pygit2.enums.ObjectType.TREE else "blob", data)


def _parsed(ours: str, out: bytes) -> _Outcome:
    """Read what `git merge-tree -z` prints: the tree, the conflicts by stage, then its messages by path."""
    fields = [os.fsdecode(field) for field in out.split(b"\0")]
    tree, rest = fields[0], fields[1:]
    end = rest.index("")
    stages: dict[str, tuple[Stage, ...]] = {}
    for line in rest[:end]:
        facts, _, path = line.partition("\t")
        mode, oid, number = facts.split(" ")
        stages[path] = (*stages.get(path, ()), Stage(path, Entry(int(mode, 8), oid), int(number)))
    said: dict[str, tuple[str, ...]] = {}
    merged: list[str] = []
    at = end + 1
    while at < len(rest) and rest[at]:
        count = int(rest[at])
        paths, (kind, words) = rest[at + 1 : at + 1 + count], rest[at + 1 + count : at + 3 + count]
        if kind == "Auto-merging":
            merged += paths
        elif kind.startswith("CONFLICT"):
            said |= {path: (*said.get(path, ()), words.strip()) for path in paths}
        at += 3 + count
    return _Outcome(ours, tree, stages, said, tuple(merged))


def _open(objects: Objects, tree: str, path: str, stages: Sequence[Stage]) -> _Open | None:
    """Return a conflict that lies within one file, None for one about names, kinds or deletions."""
    by_number = {stage.number: stage.entry for stage in stages}
    base, ours, theirs = (by_number.get(number) for number in (1, 2, 3))
    if ours is None or theirs is None or not (is_file(ours) and is_file(theirs) and is_file(objects.entry(tree, path))):
        return None
    if base is not None and not is_file(base):
        return None
    mode = theirs.mode if base is not None and base.mode == ours.mode else ours.mode
    old = objects.blob(base.oid) if base is not None else None
    return _Open(path, (old, objects.blob(ours.oid), objects.blob(theirs.oid)), mode)


def _combined(objects: Objects, outcome: _Outcome, decided: Sequence[tuple[_Open, Any]]) -> Merged:
    files = {path: File(path, "clean", "lines") for path in outcome.merged}
    for path in outcome.stages.keys() | outcome.said.keys():
        files[path] = File(path, "conflict", "names", outcome.said.get(path, ()))
    changes: dict[str, Entry | None] = {}
    for file, (content, conflicts, method, findings) in decided:
        files[file.path] = File(file.path, "conflict" if conflicts else "clean", method, tuple(findings))
        changes[file.path] = Entry(file.mode, objects.write_blob(content))
    tree = objects.splice(outcome.tree, changes) if changes else outcome.tree
    listed = tuple(files[path] for path in sorted(files))
    open_paths = {file.path for file in listed if file.result == "conflict"}
    stages = tuple(stage for path, of in sorted(outcome.stages.items()) if path in open_paths for stage in of)
    result: Literal["clean", "conflict", "same"] = "same" if tree == outcome.ours else "clean"
    return Merged("conflict" if open_paths else result, tree, listed, stages)


async def merge(live: Live, name: str, both: Both, *, preview: bool = False) -> Merged:
    """Bring a teammate's branch into my files; conflicts stay there as markers, and unmerged in the index.

    Of the index nothing else changes, but that new files which rules here ignore are marked as meant to be added.

    `preview`: only say what would come of it.
    """
    await live.owner.run(check_ready, live)

    async def attempt() -> Merged:
        mine, theirs = await live.save(), live.known(name)
        merged = await merge_commits(live, mine.oid, theirs.tip, both, also=[mine.shared])
        if not preview:
            await live.owner.run(_bring, live, mine, theirs, merged)
        return merged

    return await steadily(attempt)


def _bring(live: Live, mine: Snapshot, theirs: Teammate, merged: Merged) -> None:
    """Place a merge and record that my branch contains theirs from now on."""
    if live.store.is_ancestor(theirs.tip, mine.oid):
        return
    event = f"merge {theirs.name}"

    def record() -> Snapshot:
        return live.branch.record(merged.tree, mine.base, event, contains=[theirs.tip])

    if merged.result == "same":
        record()
        return
    wanted = overlooked(live, mine.tree, merged.tree)
    change = Change(
        kind=event,
        picture=Picture(merged.tree),
        said=f"bough: {event}",
        index=(lambda: changed(live.worktree, merged.stages, wanted=wanted)) if merged.stages or wanted else None,
        given=[stage.entry.oid for stage in merged.stages],
        spared=hidden_paths(live.worktree),
    )
    carry_out(live, change, mine, record)
