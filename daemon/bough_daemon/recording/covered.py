"""Recorded files that ignore rules cover though their user did not ignore them: they stay in the snapshots.

A command or a fold may bring ignore rules that cover files which are recorded and not tracked, or bring files that the
rules here cover. A merge of Git's would have made them tracked. If the next snapshot left them out, the branch would
claim that its user removed them, and a merge of it would take them from everybody else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress

from bough_daemon.git.filters import ignored_by
from bough_daemon.git.objects import FILE
from bough_daemon.git.paths import folders_above
from bough_daemon.git.rule_files import IGNORE
from bough_daemon.git.worktree import Worktree
from bough_daemon.privacy.former_rules import MOST_BYTES, IsOwn
from bough_daemon.store.store import Store
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record


class CoveredFiles:
    """The covered files of one working tree. On the store's thread only; `below` from any thread.

    Where the rules came with a command, edits go on to be recorded. Where they were here before the file, they are the
    user's own: the recorded version stays as it is, and what the user writes there is not shared.
    """

    def __init__(self, worktree: Worktree, store: Store) -> None:
        key = hashlib.sha256(os.fsencode(worktree.git_dir)).hexdigest()[:16]
        self._path = os.path.join(store.folder, "covered", key)
        self._worktree = worktree
        self._objects = store.objects
        self._folder = store.folder
        self._files = self._read()  # by path: whether edits are recorded

    @property
    def paths(self) -> Collection[str]:
        """The covered paths."""
        return self._files.keys()

    def is_recorded(self, path: str) -> bool:
        """Return whether edits of a covered file are recorded."""
        return self._files.get(path, False)

    def below(self, folder: str) -> bool:
        """Return whether an ignored folder has files that stay recorded."""
        return any(path.startswith(folder + "/") for path in self._files)

    def note(self, head: str, before: str, after: str) -> None:
        """Find what the rules in the tree `after`, which a command made of `before`, cover; `head`: HEAD's tree."""
        changes = list(self._objects.difference(before, after))
        new = {path for path, was, now in changes if was is None and now is not None}
        if any(_is_rules(path) for path, _, _ in changes):
            new |= {path for path, was, now in self._objects.difference(head, after) if was is None and now is not None}
        files = {path: known for path, known in self._files.items() if self._objects.entry(after, path) is not None}
        covered = self._covered(after, new - files.keys())
        own = self._covered(before, covered)
        self._keep(files | {path: path not in own for path in covered})

    def note_brought(self, before: str, tree: str, is_own: IsOwn) -> frozenset[str]:
        """Return the files that `tree` lacks because rules cover them since `before` that the user did not edit.

        `tree`: what is about to be recorded. The files are covered files from now on.
        """
        changes = list(self._objects.difference(before, tree))
        if not any(_is_rules(path) and not is_own(path, now) for path, _, now in changes):
            return frozenset()
        gone = {path for path, _, now in changes if now is None and os.path.lexists(self._worktree.root + "/" + path)}
        covered = self._covered(tree, gone)
        self._keep(dict(self._files) | dict.fromkeys(covered, True))
        return covered

    def _covered(self, tree: str, paths: Collection[str]) -> frozenset[str]:
        """Return those of some paths that the rules in a tree, and the user's own, ignore."""
        rules = {}
        for folder in {folder for path in paths for folder in ("", *folders_above(path))}:
            entry = self._objects.entry(tree, f"{folder}/{IGNORE}" if folder else IGNORE)
            if entry is not None and entry.mode & FILE == FILE and self._objects.size(entry.oid) <= MOST_BYTES:
                rules[folder] = self._objects.blob(entry.oid)
        return ignored_by(self._worktree, rules, paths, self._folder)

    def _keep(self, files: dict[str, bool]) -> None:
        if files != self._files:
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(self._path), mode=0o700)  # in a store that is there
            write_whole(self._path, as_json(files))
            self._files = files

    def _read(self) -> dict[str, bool]:
        try:
            return read_record(self._path, dict[str, bool])
        except FileNotFoundError:
            return {}


def _is_rules(path: str) -> bool:
    return path.rpartition("/")[2] == IGNORE
