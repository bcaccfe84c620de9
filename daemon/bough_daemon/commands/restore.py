"""Restore files from the timeline of a branch."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bough_daemon.commands.versions import Versions
from bough_daemon.errors import NothingToRestore, UnknownPath, UnknownSnapshot
from bough_daemon.git.objects import FILE, FOLDER, Commit, Objects, TreeEntry
from bough_daemon.git.paths import check_path
from bough_daemon.history.timeline import Snapshot, timeline
from bough_daemon.system.moments import moment_of
from bough_daemon.transaction import rescued_saves
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.file_state import FileState
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.new_files import Goal, check_undisturbed, made_ahead
from bough_daemon.transaction.transaction import Transaction, carry_out, check_ready, journal_of, steadily

OBJECT_NAME = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Restored:
    """The result of a restore. `paths`: each with the snapshot that it came from. `times`: when those were taken.

    `unchanged`: paths of which no other version is recorded. `snapshot`: the newest on my branch.
    """

    paths: dict[str, str]
    times: dict[str, int]
    unchanged: list[str]
    snapshot: Snapshot


@dataclass(frozen=True)
class _RestorePlan:
    """What a restore makes of the files: `tree`, with the source of each path; `kept`: the rescued files that it is."""

    command: str
    tree: str
    sources: dict[str, _PathSource]
    kept: Commit | None


@dataclass(frozen=True)
class _PathSource:
    """The target state of a path: `entry` (None: absent), as in the snapshot `oid`, taken at `time`."""

    entry: TreeEntry | None
    oid: str
    time: int


async def restore(
    live: LiveWorktree, paths: Sequence[str], *, since: str | None = None, name: str | None = None
) -> Restored:
    """Restore `paths` (relative to the top folder, which is ``; none: everything) to what they were in a snapshot.

    `since`: an abbreviated snapshot, or a time (`10m`, `14:05`, `2026-01-31 14:05`), which means the newest snapshot at
    that time. Without it, each path becomes the newest version that differs from the current one; repeated, the version
    before that. `name`: a teammate from whose branch they come.
    """
    for path in paths:
        check_path(path or ".top", FILE)
    await live.owner.run(check_ready, live)

    async def attempt() -> Restored:
        snapshot = await live.save()
        theirs = live.known(name) if name is not None and name != live.branch.name else None
        plan = await live.beside(lambda there: _planned(there, snapshot, paths, theirs, since))
        async with made_ahead(live, snapshot.tree, lambda _: Goal(FileState(plan.tree))) as ready:
            await check_undisturbed(ready, snapshot.tree)
            return await live.owner.run(_carry_out, ready, snapshot, paths, plan)

    return await steadily(attempt)


def _planned(
    live: LiveWorktree, snapshot: Snapshot, paths: Sequence[str], theirs: LiveBranch | None, since: str | None
) -> _RestorePlan:
    """Return what a restore makes of the files in `snapshot`, or raise NothingToRestore."""
    objects = live.store.objects
    tip, command = (theirs.tip, f"restore {theirs.name}") if theirs is not None else (snapshot.oid, "restore")
    kept = rescued_saves.find(live, since) if since is not None else None
    if kept is not None:
        sources = _at(objects, kept, paths or [path for path, _ in objects.walk(kept.tree)])
    elif since is not None:
        sources = _at(objects, chosen(live, tip, since), paths)
    elif paths:
        sources = _newest(live, snapshot, paths, tip, command)
    else:
        raise NothingToRestore("`--all` needs `--from SNAPSHOT`")
    tree = _spliced(live, snapshot.tree, {path: source.entry for path, source in sources.items()})
    if tree == snapshot.tree:
        raise NothingToRestore("nothing to restore: the files already match that snapshot")
    return _RestorePlan(command, tree, sources, kept)


def _carry_out(live: LiveWorktree, snapshot: Snapshot, paths: Sequence[str], plan: _RestorePlan) -> Restored:
    origins = {path: source.oid for path, source in plan.sources.items()}
    only = index_only(live, snapshot.tree, plan.tree)
    change = Transaction(
        command=plan.command,
        picture=FileState(plan.tree),
        said=f"bough: {plan.command}",
        index=only.index(live.worktree),
        given=only.given,
        spared=only.spared,
        origins=origins,
    )
    recorded = carry_out(
        live,
        change,
        snapshot,
        lambda: live.branch.record(plan.tree, snapshot.base, plan.command, since=snapshot.tree),
    )
    if plan.kept is not None:
        rescued_saves.note_restored(live, plan.kept, plan.tree)
    times = {path: source.time for path, source in plan.sources.items()}
    return Restored(origins, times, [path for path in paths if path not in plan.sources], recorded)


def _at(objects: Objects, source: Snapshot | Commit, paths: Sequence[str]) -> dict[str, _PathSource]:
    """Return the entries of paths (none: the top folder) in one snapshot, or raise UnknownPath."""
    found = {path: _PathSource(objects.entry(source.tree, path), source.oid, source.time) for path in paths or [""]}
    missing = next((path for path in paths if found[path].entry is None), None)
    if missing is not None:
        raise UnknownPath(f"{missing} is not in snapshot {source.oid[:7]}", path=missing)
    return found


def _newest(
    live: LiveWorktree, snapshot: Snapshot, paths: Sequence[str], tip: str, command: str
) -> dict[str, _PathSource]:
    """Return the newest version of each path that differs from the current one; paths without any are left out."""
    objects = live.store.objects
    versions = Versions(objects, journal_of(live), snapshot.oid, tip, command)
    found: dict[str, _PathSource] = {}
    for path in paths:
        now = objects.entry(snapshot.tree, path)
        version = versions.before(path, now)
        if version is not None:
            found[path] = _PathSource(version.entry, version.oid, version.time)
        elif now is None:
            raise UnknownPath(f"no snapshot has {path}", path=path)
    if not found:
        raise NothingToRestore(f"no other version of {paths[0]} is in the timeline, or no older one", path=paths[0])
    return found


def chosen(live: LiveWorktree, tip: str, since: str) -> Snapshot:
    """Return the snapshot of a timeline that an abbreviated name or a time means, or raise UnknownSnapshot."""
    if OBJECT_NAME.fullmatch(since):  # first: `1234567d` is a valid time too
        for snapshot in timeline(live.store.objects, tip):
            if since in (snapshot.oid[: len(since)], snapshot.shared[: len(since)]):
                return snapshot
    moment = moment_of(since, time.time())
    for snapshot in timeline(live.store.objects, tip):
        if moment is not None and snapshot.time <= moment:
            return snapshot
    raise UnknownSnapshot(f"no snapshot matches {since}", since=since)


def _spliced(live: LiveWorktree, tree: str, entries: dict[str, TreeEntry | None]) -> str:
    """Return `tree` with files and whole folders replaced."""
    objects = live.store.objects
    changes: dict[str, TreeEntry | None] = {}
    for path, entry in entries.items():
        if entry is None or entry.mode != FOLDER:
            changes[path] = entry
            continue
        there = objects.entry(tree, path)
        if there is not None and there.mode != FOLDER:
            changes[path] = None
        old = there.oid if there is not None and there.mode == FOLDER else None
        above = f"{path}/" if path else ""
        changes |= {above + below: after for below, _, after in objects.difference(old, entry.oid)}
    return objects.splice(tree, changes)
