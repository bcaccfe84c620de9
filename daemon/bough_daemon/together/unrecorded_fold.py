"""Reverse what a fold left in the files if the daemon was killed before it could record the fold.

Otherwise the next snapshot would record another member's lines as this member's own, and the next fold would bring them
a second time. What the user has edited since then stays.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bough_merge.text.text import lines_of

from bough_daemon.errors import BoughError, StoreDamaged
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.root_dir import RootDir
from bough_daemon.system.json_records import as_json, read_record
from bough_daemon.together.line_fold import LIMIT_BYTES, fold_lines
from bough_daemon.transaction.apply import apply
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState, is_file

log = logging.getLogger(__name__)
FOLDER = "folds"


@dataclass(frozen=True)
class Begun:
    """A fold that changes the files of `snapshot` to those of `tree`."""

    snapshot: str
    tree: str


@dataclass(frozen=True)
class _Taken:
    """One file: its entry with the lines of the fold, and without them."""

    path: str
    found: TreeEntry
    without: TreeEntry


def begin(live: LiveWorktree, fold: Begun) -> None:
    """Note a fold before it changes any file. It counts until the branch has another tip.

    Not synced: that would slow down every fold, and it is for a daemon that is killed, not for a loss of power.
    """
    path = _path(live)
    with contextlib.suppress(OSError):  # a full disk: then the fold itself fails, or is recorded at once as usual
        with open(path + ".new", "wb") as out:
            out.write(as_json(fold))
        os.replace(path + ".new", path)


def reverse(live: LiveWorktree) -> list[str]:
    """Remove from the files the lines of a fold that was never recorded; return the changed files.

    Before the first snapshot after a start, on the store's thread.
    """
    begun, tip, objects = _begun(live), live.branch.tip, live.store.objects
    if begun is None or tip is None or tip.oid != begun.snapshot or not objects.exists(begun.tree):
        return []
    try:
        taken = list(_with_the_fold(live, tip.tree, begun.tree))
        old, new = {one.path: one.found for one in taken}, {one.path: one.without for one in taken}
        trees = (FileState(objects.splice(tip.tree, entries)) for entries in (old, new))
        apply(live.worktree, objects, *trees, scratch=live.scratch, plain=frozenset(old))
    except (BoughError, OSError) as failure:
        log.warning("the lines of a fold that was not recorded stay in the files: %s", failure)
        return []
    return sorted(old)


def _with_the_fold(live: LiveWorktree, before: str, after: str) -> Iterator[_Taken]:
    """Yield the files that still have all that the fold changed in them."""
    objects = live.store.objects
    with RootDir(live.worktree.root) as ground:
        for path, was, now in objects.difference(before, after):
            found = ground.read(path) if is_file(was) and is_file(now) else None
            if was is None or now is None or found is None or max(map(objects.size, (was.oid, now.oid))) > LIMIT_BYTES:
                continue
            mode, text = found
            old, new = objects.blob(was.oid), objects.blob(now.oid)
            left = fold_lines(new, text, old) if mode in (was.mode, now.mode) and _has_all(text, old, new) else None
            if left is not None and left != text:
                entries = (TreeEntry(mode, objects.write_blob(content)) for content in (text, left))
                yield _Taken(path, *entries)


def _has_all(text: bytes, old: bytes, new: bytes) -> bool:
    """Return whether a text has the lines that came from `old` to `new`, and not those that went."""
    now, before, after = (Counter(lines_of(one)) for one in (text, old, new))
    came, went = after - before, before - after
    return all(now[line] >= after[line] for line in came) and all(now[line] <= after[line] for line in went)


def _begun(live: LiveWorktree) -> Begun | None:
    with contextlib.suppress(FileNotFoundError, StoreDamaged):
        return read_record(_path(live), Begun)
    return None


def _path(live: LiveWorktree) -> str:
    folder = os.path.join(live.store.folder, FOLDER)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, mode=0o700)  # never the store itself, which may have been moved away
    return os.path.join(folder, f"{live.worktree.record_name}.json")
