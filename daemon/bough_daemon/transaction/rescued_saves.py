"""Saves from the very moment when a file was changed here, kept next to the timeline until they are restored.

The daemon was killed in that moment, or the file was saved once more before its first save could be put back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from bough_daemon.git.objects import Commit, TreeEntry
from bough_daemon.store.store import KEPT
from bough_daemon.system.text import SHORT, shell_word
from bough_daemon.transaction.context import LiveWorktree

TOLD_SECONDS = 14 * 86400.0  # for which they are reported
SAID = "saved in the moment in which the file was changed\n"


def keep(live: LiveWorktree, files: Mapping[str, TreeEntry]) -> str:
    """Keep some files and return the commit that has them."""
    objects, tree = live.store.objects, live.store.objects.splice(None, files)
    oid = objects.write_commit(tree, [], live.branch.author, int(time.time()), SAID)
    live.store.keep(f"{live.branch.name}/rescued-{oid}", oid)
    return oid


def find(live: LiveWorktree, name: str) -> Commit | None:
    """Return the commit of rescued files with this abbreviated id, or None."""
    return next((one for one in _all(live) if len(name) >= 4 and one.oid.startswith(name)), None)


def reasons(live: LiveWorktree, tree: str) -> dict[str, str]:
    """Return, by path, where rescued files are that differ from `tree`, and the command that restores each."""
    found: dict[str, str] = {}
    for one in _all(live):
        if time.time() - one.time > TOLD_SECONDS:
            continue
        for path in _missing(live, one, tree):
            command = f"bough restore --from {one.oid[:SHORT]} {shell_word(path)}"
            found[path] = f"saved at the moment when Bough changed it; `{command}` restores it"
    return found


def note_restored(live: LiveWorktree, one: Commit, tree: str) -> None:
    """Stop reporting rescued files once all of them are in `tree`."""
    if not list(_missing(live, one, tree)):
        live.store.keep(f"{live.branch.name}/restored-{one.oid}", one.oid)
        live.store.delete_ref(f"{KEPT}{live.branch.name}/rescued-{one.oid}")


def _all(live: LiveWorktree) -> list[Commit]:
    """Return the commits of rescued files, oldest first."""
    kept = live.store.refs(f"{KEPT}{live.branch.name}/rescued-").values()
    return sorted(map(live.store.objects.commit, kept), key=lambda one: one.time)


def _missing(live: LiveWorktree, one: Commit, tree: str) -> Iterator[str]:
    objects = live.store.objects
    return (path for path, entry in objects.walk(one.tree) if objects.entry(tree, path) != entry)
