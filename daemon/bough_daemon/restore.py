"""Bring files back from the timeline of a branch."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bough_daemon.change import Change, carry_out, check_ready, steadily
from bough_daemon.errors import NotPossibleNow, UnknownPath, UnknownSnapshot
from bough_daemon.index import hidden_paths
from bough_daemon.live import Live
from bough_daemon.objects import FILE, FOLDER, Entry
from bough_daemon.paths import check_path
from bough_daemon.picture import Picture
from bough_daemon.timeline import Snapshot, timeline

AGO = re.compile(r"(\d+)\s*(s|m|h|d)[a-z]*(\s+ago)?", re.IGNORECASE)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
OBJECT_NAME = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Restored:
    """What came back. `paths`: each with the snapshot that it came from. `snapshot`: the newest on my branch."""

    paths: dict[str, str]
    snapshot: Snapshot


async def restore(live: Live, paths: Sequence[str], *, since: str | None = None, name: str | None = None) -> Restored:
    """Make `paths` (from the top folder, which is ``, with slashes; none: everything) what they were in a snapshot.

    `since`: an abbreviated snapshot, or a time (`10m`, `14:05`, `2026-01-31 14:05`): the newest that was there then.
    Without it each path comes from the newest snapshot that has it. `name`: a teammate whose branch they come from.
    """
    for path in paths:
        check_path(path or ".top", FILE)
    await live.owner.run(check_ready, live)

    async def attempt() -> Restored:
        snapshot = await live.save()
        tip = live.known(name).tip if name is not None and name != live.branch.name else snapshot.oid
        return await live.owner.run(_restore, live, snapshot, paths, tip, since)

    return await steadily(attempt)


def _restore(live: Live, snapshot: Snapshot, paths: Sequence[str], tip: str, since: str | None) -> Restored:
    objects = live.store.objects
    source = chosen(live, tip, since) if since is not None else None
    if source is None and not paths:
        raise NotPossibleNow("say which snapshot everything is to come from")
    found: dict[str, tuple[str, Entry | None]] = {}
    for path in paths:
        found[path] = (
            _newest_with(live, tip, path) if source is None else (source.oid, objects.entry(source.tree, path))
        )
        if found[path][1] is None:
            raise UnknownPath(f"{path} is not in snapshot {found[path][0][:7]}", path=path)
    if source is not None and not paths:
        tree, found = source.tree, {".": (source.oid, None)}
    else:
        tree = _spliced(live, snapshot.tree, {path: entry for path, (_, entry) in found.items()})
    if tree == snapshot.tree:
        raise NotPossibleNow("nothing to restore: the files are as they were there")
    change = Change(kind="restore", picture=Picture(tree), said="bough: restore", spared=hidden_paths(live.worktree))
    recorded = carry_out(
        live, change, snapshot, lambda: live.branch.record(tree, snapshot.base, "restore", since=snapshot.tree)
    )
    return Restored({path: oid for path, (oid, _) in found.items()}, recorded)


def chosen(live: Live, tip: str, since: str) -> Snapshot:
    """Return the snapshot of a timeline that an abbreviated name or a time means, or raise UnknownSnapshot."""
    moment = moment_of(since, time.time())
    for snapshot in timeline(live.store.objects, tip):
        if moment is not None and snapshot.time <= moment:
            return snapshot
        if (
            moment is None
            and OBJECT_NAME.fullmatch(since)
            and since in (snapshot.oid[: len(since)], snapshot.shared[: len(since)])
        ):
            return snapshot
    raise UnknownSnapshot(f"no snapshot here is named {since} or was there then", since=since)


def moment_of(words: str, now: float) -> float | None:
    """Return the time that words mean (seconds since the epoch), or None where they mean none."""
    ago = AGO.fullmatch(words.strip())
    if ago is not None:
        return now - int(ago[1]) * SECONDS[ago[2].lower()]
    today = datetime.datetime.fromtimestamp(now).date().isoformat()
    for text in (words.strip(), f"{today} {words.strip()}"):
        try:
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            continue
    return None


def _newest_with(live: Live, tip: str, path: str) -> tuple[str, Entry | None]:
    for snapshot in timeline(live.store.objects, tip):
        entry = live.store.objects.entry(snapshot.tree, path)
        if entry is not None:
            return snapshot.oid, entry
    raise UnknownPath(f"no snapshot has {path}", path=path)


def _spliced(live: Live, tree: str, entries: dict[str, Entry | None]) -> str:
    """Return `tree` with files and whole folders replaced."""
    objects = live.store.objects
    changes: dict[str, Entry | None] = {}
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
