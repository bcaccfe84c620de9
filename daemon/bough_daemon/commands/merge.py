"""Merge two commits of the store: Git finds the base and the paths, the engine merges what both sides changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import Literal

import pygit2
from bough_merge.text.result import Conflict, Finding

from bough_daemon.api.notices import MergeNote
from bough_daemon.api.records import FileFinding
from bough_daemon.commands.merge_source import MergeSource, source_of
from bough_daemon.errors import UnrelatedHistory, WouldBringBack, WouldRemove
from bough_daemon.git.command import GitCommand
from bough_daemon.git.index import Stage, changed
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.ancestry import walk_ahead
from bough_daemon.history.merge_base import common_tree, merge_base, scratch_commit
from bough_daemon.history.removals import untouched_removals
from bough_daemon.history.replacements import knowing, learn
from bough_daemon.history.taken_away import Side
from bough_daemon.history.timeline import Snapshot
from bough_daemon.merging.merge_input import Both, MergeInput, Three, both_changed, sides_of
from bough_daemon.merging.worker_wire import Decided
from bough_daemon.store.store import Store
from bough_daemon.store.walks import LONGEST_SECONDS, comparing
from bough_daemon.system.text import first_few
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.new_files import Goal, check_undisturbed, made_ahead
from bough_daemon.transaction.terminal import Terminal
from bough_daemon.transaction.transaction import (
    Transaction,
    carry_out,
    check_no_repository,
    check_ready,
    overlooked,
    steadily,
)

# A new file follows its renamed folder; by default Git reports a conflict.
FOLLOWING = ("-c", "merge.directoryRenames=true")


@dataclass(frozen=True)
class File:
    """The merge of one file that both sides changed. `findings`: to review, from the engine or in Git's words."""

    path: str
    result: Literal["clean", "conflict"]
    method: str
    findings: tuple[Finding | FileFinding, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class Brought:
    """The files that only the other side changed, by kind of change."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


NOTHING_BROUGHT = Brought()


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    `tree`: with diff3 markers at conflicts. `files`: what both sides changed. `stages`: the conflicts, for the index.
    `base`: the common tree of both sides. `brought`: what only the other side changed. `untouched`: paths that lose
    content that their author never touched. `source`: what was merged; `note`: what is special about it.
    """

    result: Literal["clean", "conflict", "same"]
    tree: str
    files: tuple[File, ...]
    stages: tuple[Stage, ...] = ()
    base: str = ""
    brought: Brought = NOTHING_BROUGHT
    untouched: tuple[str, ...] = ()
    source: str = ""
    note: MergeNote | None = None

    @property
    def conflicts(self) -> list[str]:
        """The paths that need a human."""
        return [file.path for file in self.files if file.result == "conflict"]


@dataclass(frozen=True)
class _Outcome:
    """Git's result of a merge, before the engine has examined the files that Git could not merge.

    `trees`: of the base and of both sides. `followed`: Git's messages about files that follow a renamed folder.
    `sides`: the engine's input.
    """

    trees: tuple[str, str, str]
    tree: str
    stages: Mapping[str, tuple[Stage, ...]]
    said: Mapping[str, tuple[str, ...]]
    merged: tuple[str, ...]
    followed: Mapping[str, str] = field(default_factory=dict)
    sides: MergeInput = field(default_factory=MergeInput)


async def merge_commits(
    live: LiveWorktree,
    ours: str,
    theirs: str,
    both: Both,
    *,
    also: Sequence[str] = (),
    heads: tuple[str, str] | None = None,
) -> Merged:
    """Merge two commits of the store, without touching the user's repository; the result is in the store.

    `also`: commits that `ours` contains although its history does not show it (as shared with the team). `heads`: the
    commits that HEAD was at on both sides (of a Git branch, the commit itself), in a merge of two people's work.
    """
    more = [oid for oid in also if oid != ours]
    outcome = await live.beside(lambda there: _by_git(there.store, ours, theirs, more, heads))
    decided = await asyncio.to_thread(both, outcome.sides) if outcome.sides.entries else {}
    return await live.beside(lambda there: _combined(there.store.objects, outcome, decided))


def _by_git(store: Store, ours: str, theirs: str, also: Sequence[str], heads: tuple[str, str] | None) -> _Outcome:
    if store.merge_base(ours, theirs) is None:
        raise UnrelatedHistory(
            "the two branches share no commit",
            hint="A branch created with `git switch --orphan` can only be merged by `git merge` itself.",
        )
    learn(store, ours, theirs)
    objects = store.objects
    our_tree, their_tree = objects.commit(ours).tree, objects.commit(theirs).tree
    with store.quarantine() as git:
        tips = ours, theirs
        if also:
            ours = scratch_commit(git, our_tree, [ours, *also])
        found = merge_base(knowing(git), ours, theirs)
        _keep_new(objects, git)  # with several merge bases, a tree was created just now
        base = common_tree(store, found, *map(Side, tips, heads)) if heads is not None else found.tree
        # From several merge bases Git would make a tree of its own, which may differ from the one that was checked.
        if base != found.tree or len(found.commits) > 1:
            began = scratch_commit(git, base, [])
            ours, theirs = scratch_commit(git, our_tree, [began]), scratch_commit(git, their_tree, [began])
        # Git names the sides in its messages, and in file names that it generates, by these refs.
        named = f"update refs/ours {ours}\nupdate refs/theirs {theirs}\n"
        git.run("update-ref", "--stdin", stdin=named.encode())
        try:
            told = ["-z", "--messages", "ours", "theirs"]
            merging = (*FOLLOWING, "merge-tree", "--write-tree", *told)
            out = knowing(git).run(*merging, allowed=(0, 1), seconds=LONGEST_SECONDS)
        finally:
            git.run("update-ref", "--stdin", stdin=b"delete refs/ours\ndelete refs/theirs\n")
        _keep_new(objects, git)
    outcome = _parsed((base, our_tree, their_tree), out)
    objects.own_tree_difference(our_tree, outcome.tree)
    if our_tree in (base, outcome.tree) or their_tree == base:
        return outcome
    open_paths = {path for path, of in outcome.stages.items() if {stage.number for stage in of} >= {2, 3}}
    return replace(outcome, sides=sides_of(objects, store.git, outcome.trees, outcome.tree, open_paths))


def _keep_new(objects: Objects, git: GitCommand) -> None:
    """Adopt the trees and blobs that git wrote in quarantine into the store."""
    folder = git.environment["GIT_OBJECT_DIRECTORY"]
    written = pygit2.Odb(folder)
    for first in os.listdir(folder):
        for rest in os.listdir(os.path.join(folder, first)) if len(first) == 2 else []:
            kind, data = written.read(first + rest)
            if kind != pygit2.enums.ObjectType.COMMIT:
                objects.write("tree" if kind == pygit2.enums.ObjectType.TREE else "blob", data)


def _parsed(trees: tuple[str, str, str], out: bytes) -> _Outcome:
    """Read what `git merge-tree -z` prints: the tree, the conflicts by stage, then its messages by path."""
    fields = [os.fsdecode(field) for field in out.split(b"\0")]
    tree, rest = fields[0], fields[1:]
    end = rest.index("")
    stages: dict[str, tuple[Stage, ...]] = {}
    for line in rest[:end]:
        facts, _, path = line.partition("\t")
        mode, oid, number = facts.split(" ")
        stages[path] = (*stages.get(path, ()), Stage(path, TreeEntry(int(mode, 8), oid), int(number)))
    said: dict[str, tuple[str, ...]] = {}
    merged: list[str] = []
    followed: dict[str, str] = {}
    at = end + 1
    while at < len(rest) and rest[at]:
        count = int(rest[at])
        paths, (kind, words) = rest[at + 1 : at + 1 + count], rest[at + 1 + count : at + 3 + count]
        if kind == "Auto-merging":
            merged += paths
        elif kind.startswith("Path updated"):
            followed[paths[0]] = words.strip()
        elif kind.startswith("CONFLICT"):
            said |= {path: tuple(dict.fromkeys([*said.get(path, ()), words.strip()])) for path in paths}
        at += 3 + count
    return _Outcome(trees, tree, stages, said, tuple(merged), followed)


def _combined(objects: Objects, outcome: _Outcome, decided: Mapping[str, Decided]) -> Merged:
    """Combine the engine's results with Git's."""
    files = {path: File(path, "clean", "names", (_said(words),)) for path, words in outcome.followed.items()}
    files |= {path: File(path, "clean", "lines") for path in outcome.merged}
    for path in outcome.stages.keys() | outcome.said.keys():
        files[path] = File(path, "conflict", "names", tuple(map(_said, outcome.said.get(path, ()))))
    stages = dict(outcome.stages)
    changes: dict[str, TreeEntry | None] = {}
    for path, made in decided.items():
        three = outcome.sides.entries.get(path)
        if three is None or not _matters(objects, outcome, path, three, made):
            continue
        one: Literal["clean", "conflict"] = "conflict" if made.conflicts else "clean"
        files[path] = File(path, one, made.method, tuple(made.findings), tuple(made.conflicts))
        changes[path] = TreeEntry(_mode(three), objects.write_blob(made.content))
        stages[path] = tuple(Stage(path, entry, number) for number, entry in enumerate(three, 1) if entry is not None)
    tree = objects.splice(outcome.tree, changes) if changes else outcome.tree
    told = tuple(files[path] for path in sorted(files))
    open_paths = {file.path for file in told if file.result == "conflict"}
    left = tuple(stage for path, of in sorted(stages.items()) if path in open_paths for stage in of)
    result: Literal["clean", "conflict", "same"] = (
        "conflict" if open_paths else "same" if tree == outcome.trees[1] else "clean"
    )
    return Merged(result, tree, told, left, outcome.trees[0], _brought(objects, outcome.trees[1], tree, files))


def _said(words: str) -> FileFinding:
    """Return a finding in Git's words."""
    return FileFinding("", "", 0, words)


def _brought(objects: Objects, ours: str, tree: str, both: Collection[str]) -> Brought:
    changed = [step for step in sorted(objects.difference(ours, tree), key=itemgetter(0)) if step[0] not in both]
    return Brought(
        added=tuple(path for path, before, _ in changed if before is None),
        changed=tuple(path for path, before, after in changed if before is not None and after is not None),
        removed=tuple(path for path, _, after in changed if after is None),
    )


def _matters(objects: Objects, outcome: _Outcome, path: str, three: Three, made: Decided) -> bool:
    """Return whether the engine's result for a file replaces Git's: both sides changed it, or one reaches into it."""
    if path in outcome.stages or both_changed(three):
        return True
    by_git = objects.entry(outcome.tree, path)
    return by_git is not None and (bool(made.conflicts or made.findings) or objects.blob(by_git.oid) != made.content)


def _mode(three: Three) -> int:
    base, ours, theirs = three
    if ours is None or (base is not None and theirs is not None and base.mode == ours.mode):
        assert theirs is not None
        return theirs.mode
    return ours.mode


async def merge(
    live: LiveWorktree, terminal: Terminal, name: str, both: Both, *, preview: bool = False, yes: bool = False
) -> Merged:
    """Merge a branch into my files; conflicts stay there as markers, and unmerged in the index.

    The index otherwise changes only in that new files which rules here ignore are marked as intended to be added, and
    that submodules which are not checked out here move to their new commits. `name`: a live branch or a Git branch.
    `preview`: only return the result. `yes`: merge even if that removes content that its author never touched (else
    WouldRemove), or brings back what a forced push took out (else WouldBringBack).
    """
    await live.owner.run(check_ready, live)

    async def attempt() -> Merged:
        mine = await live.save()
        with comparing(f"{name}'s branch" if live.teammate(name) is not None else name):
            source = await source_of(live, terminal, name, mine)
            merged = await merge_preview(live, source, mine, both)
        if not preview:
            if not yes:
                _check_asked(source, merged)
            await live.owner.run(check_no_repository, live, mine.tree, merged.tree, source.name)
            async with made_ahead(live, mine.tree, lambda _: Goal(FileState(merged.tree))) as ready:
                await check_undisturbed(ready, mine.tree)
                await live.owner.run(_bring, ready, mine, name, source.brought, merged)
        return merged

    return await steadily(attempt)


async def merge_preview(live: LiveWorktree, source: MergeSource, mine: Snapshot, both: Both) -> Merged:
    """Return the merge of a source into my snapshot, with what it removes although its author never touched it."""
    heads = mine.base, source.author.head if source.author is not None else source.brought
    merged = await merge_commits(live, mine.oid, source.commit, both, also=[mine.shared], heads=heads)
    merged = replace(merged, source=source.name, note=source.note)
    if source.author is None:
        return merged
    sides = Side(mine.oid, mine.base), source.author

    def look(there: LiveWorktree) -> list[str]:
        walk_ahead(there.store, mine, source.brought)
        return untouched_removals(there.store, *sides, merged.base, merged.tree)

    return replace(merged, untouched=tuple(await live.beside(look)))


def _check_asked(source: MergeSource, merged: Merged) -> None:
    """Raise if a merge does what its user cannot have intended."""
    if merged.untouched:
        raise WouldRemove(
            f"merging {source.name} would remove what {source.name} never touched, in {first_few(merged.untouched)}",
            paths="\n".join(merged.untouched),
        )
    if source.taken_out is not None:
        raise WouldBringBack(f"merging {source.name} would bring back {source.taken_out}")


def _bring(live: LiveWorktree, mine: Snapshot, name: str, brought: str, merged: Merged) -> None:
    """Place a merge and record that my branch now contains the commit `brought`."""
    if merged.result == "same" and live.store.is_ancestor(brought, mine.oid):
        return
    event = f"merge {name}"

    def record() -> Snapshot:
        company = mine.company.with_paused(merged.conflicts)  # its markers are for this user alone
        return live.branch.record(
            *(merged.tree, mine.base, event), since=mine.tree, contains=[brought], company=company
        )

    if merged.result == "same":
        record()
        return
    only = index_only(live, mine.tree, merged.tree).without(merged.stages)
    wanted = overlooked(live, mine.tree, merged.tree) - only.outside
    index = partial(changed, live.worktree, merged.stages, wanted=wanted, entries=only.entries, outside=only.outside)
    change = Transaction(
        command=event,
        picture=FileState(merged.tree),
        said=f"bough: {event}",
        index=index if merged.stages or wanted or only.entries else None,
        given=[*(stage.entry.oid for stage in merged.stages), *only.given],
        spared=only.spared,
    )
    carry_out(live, change, mine, record)
