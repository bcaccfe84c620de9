"""Find commits that a forced push removed from the shared branch, so that they do not come back unasked.

As with `git merge-base --fork-point`, the reflog of the remote-tracking branch tells where that branch has been.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from bough_daemon.commands.shared_branch import Target
from bough_daemon.git.object_id import IN_BYTES
from bough_daemon.git.refs import commit_of
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.line_counts import keeps_nothing
from bough_daemon.store.store import Store
from bough_daemon.transaction.context import LiveWorktree

LOG_TAIL_BYTES = 256 * 1024
SHOWN = 3  # commits that are named


@dataclass(frozen=True)
class TakenOut:
    """Commits that a shared branch no longer has. `newest`: its former tip. `commits`: `id title` of each."""

    branch: str
    newest: str
    commits: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.commits) - SHOWN} more" if len(self.commits) > SHOWN else ""
        count = f"{len(self.commits)} commit{'' if len(self.commits) == 1 else 's'}"
        return f"{count} that {self.branch} no longer has: {', '.join(self.commits[:SHOWN])}{more}"


def taken_out(live: LiveWorktree, target: Target, tip: str, work: str) -> TakenOut | None:
    """Return what `work` has that was once on the shared branch and is not in its `tip`, or None.

    Commits that were only rewritten there, or dropped by a merge since, do not count. Beside the store's thread.
    """
    store = live.store
    if target.remote is None or not store.objects.exists(tip):
        return None
    for newest in no_longer_in(live, target, tip):
        if store.is_ancestor(newest, work):
            if not _has_more(store, newest, work, tip):
                return None
            commits = os.fsdecode(store.git.run("log", "--format=%h %s", newest, f"^{tip}")).splitlines()
            return TakenOut(target.place, newest, tuple(commits))
    return None


def _has_more(store: Store, gone: str, work: str, tip: str) -> bool:
    """Return whether `work` still has some of what a commit brought, and `tip` has none of it."""
    objects = store.objects
    fork = store.merge_base(gone, tip)
    began = objects.commit(fork).tree if fork is not None else objects.write_tree({})
    here, there = objects.commit(work).tree, objects.commit(tip).tree
    return any(
        keeps_nothing(objects, before, after, objects.entry(there, path))
        and not keeps_nothing(objects, before, after, objects.entry(here, path))
        for path, before, after in objects.difference(began, objects.commit(gone).tree)
    )


def tracked_tip(live: LiveWorktree, target: Target) -> str | None:
    """Return the last known tip of the remote's branch. On the store's thread."""
    return commit_of(live.worktree, _tracking(target)) if target.remote is not None else None


def _tracking(target: Target) -> str:
    return f"refs/remotes/{target.remote}/{target.theirs.removeprefix('refs/heads/')}"


def no_longer_in(live: LiveWorktree, target: Target, tip: str) -> list[str]:
    """Return the commits that the remote's branch was at and that `tip` does not contain, newest first.

    On the store's thread.
    """
    store = live.store
    once = [oid for oid in _once_at(live.worktree, target) if store.objects.exists(oid)]
    if not once:
        return []
    asked = "\n".join([*once, f"^{tip}"]).encode() + b"\n"
    beyond = set(store.git.run("rev-list", "--stdin", stdin=asked).decode().split())
    return [oid for oid in once if oid in beyond]


def _once_at(worktree: Worktree, target: Target) -> list[str]:
    """Return the known former tips of the remote's branch, newest first."""
    now = commit_of(worktree, _tracking(target))
    found = [now] if now is not None else []
    try:
        with open(os.path.join(worktree.common_dir, "logs", _tracking(target)), "rb") as source:
            source.seek(max(0, source.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = source.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        lines = []
    for line in reversed(lines):
        ids = [word.decode() for word in line.split(b" ", 2)[:2] if IN_BYTES.fullmatch(word)]
        found += reversed(ids)
    return list(dict.fromkeys(oid for oid in found if oid.strip("0")))
