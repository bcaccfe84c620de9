"""Bough's own index, in which stock git adds every file of a working tree without touching the user's index."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress

from bough_daemon.errors import DiskFull, GitHangs
from bough_daemon.git.command import failure_of
from bough_daemon.git.rules import IndexReader, differing_outside, unfiltered
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.file_entries import SETTINGS

PLAIN = ("-c", "core.splitIndex=false", "-c", "core.untrackedCache=false")
NOWHERE = b"0" * 40
MOST_SPARED = 100  # paths on one command line
LINES = re.compile(rb"(\d+) (\w+) (\d)\t([^\0]+)\0")  # of `ls-files -s -z`
LINK_MODE = b"160000"


class Shadow:
    """A copy of the user's index to work in. On the store's thread only.

    `path`: where the last valid copy is kept; `objects`: the folder that new blobs and trees are written to.
    """

    def __init__(self, worktree: Worktree, objects: str, path: str) -> None:
        self._worktree = worktree
        self._path = path
        self._new = path + ".new"
        self._git = worktree.git.with_environment(GIT_INDEX_FILE=self._new, GIT_OBJECT_DIRECTORY=objects)
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(path), mode=0o700)

    def begin_with(self, tree: str) -> None:
        """Create the first copy from a tree, as there is no index that Git can read."""
        self._clear()
        self._git.run(*PLAIN, "read-tree", tree)
        self.keep()

    def copy(self, index: IndexReader) -> None:
        """Copy the user's index."""
        self._clear()
        source = index.last_good if index.failure else index.path
        with suppress(FileNotFoundError):
            shutil.copy2(source, self._new)

    def _clear(self) -> None:
        _remove(self._new)
        _remove(self._new + ".lock")

    def keep(self) -> None:
        """Keep this copy as the last valid one."""
        if os.path.exists(self._new):
            os.replace(self._new, self._path)

    def add_all(self, spared: Collection[str] = ()) -> tuple[bool, bool]:
        """Add every file except `spared` ones; return whether git did, and whether it met an unreadable folder.

        If git stops half-way or hangs, which raises GitHangs, the index is unchanged.
        """
        others = [f":(exclude,top,literal){path}" for path in sorted(spared)[:MOST_SPARED]]
        adding = ("add", "-A", "--ignore-errors", "--", ".", *others)
        try:
            code, _, words = self._git.result(*PLAIN, *SETTINGS, *adding, allowed=(0, 1, 128))
        except GitHangs:
            _remove(self._new + ".lock")
            raise
        failure = failure_of("add", words)
        if code and isinstance(failure, DiskFull):
            raise failure
        return code == 0, "could not open directory" in words

    def tree(self) -> tuple[str, set[str]]:
        """Return the tree of the index, and the paths that were left out: in conflict, or without their content."""
        code, said, _ = self._git.result(*PLAIN, "write-tree", allowed=(0, 128))
        if code == 0:
            return said.decode().strip(), set()
        entries = LINES.findall(self._git.run("ls-files", "-s", "-z"))
        oids = sorted({oid for mode, oid, _, _ in entries if mode != LINK_MODE})
        checked = self._git.run("cat-file", "--batch-check=%(objectname)", stdin=b"\n".join([*oids, b""]))
        missing = {line.split(b" ")[0] for line in checked.splitlines() if line.endswith(b" missing")}
        dropped = {path for _, oid, stage, path in entries if stage != b"0" or oid in missing}
        lines = b"".join(b"0 %s\t%s\0" % (NOWHERE, path) for path in dropped)
        self._git.run(*PLAIN, "update-index", "-z", "--index-info", stdin=lines)
        return self._git.line(*PLAIN, "write-tree"), {os.fsdecode(path) for path in dropped}

    def differing_outside(self, folders: Collection[str]) -> set[str]:
        """Return the paths, outside some folders, whose files differ from the index or are gone."""
        return differing_outside(unfiltered(self._git), folders)

    def differing(self) -> tuple[set[str], set[str]]:
        """Return the paths whose files differ from the index or are gone, and the new ones."""
        git = unfiltered(self._git)
        differing = git.run(*PLAIN, "ls-files", "-z", "-m", "-d")
        untracked = git.run(*PLAIN, "ls-files", "-z", "-o", "--exclude-standard")
        return _paths(differing), _paths(untracked)

    def would_add(self, paths: Iterable[str]) -> set[str]:
        """Return those of some new files that git would add: in a sparse checkout not all."""
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        words = ("add", "--dry-run", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul")
        code, said, _ = self._git.result(
            *PLAIN, *SETTINGS, "--literal-pathspecs", *words, stdin=names, allowed=(0, 1, 128)
        )
        if code == 128:
            return set(paths)
        return {path for path in paths if b"add '" + os.fsencode(path) + b"'\n" in said}

    def links(self) -> set[str]:
        """Return the paths of nested repositories, according to the kept index."""
        git = self._git.with_environment(GIT_INDEX_FILE=self._path)
        entries = LINES.findall(git.run(*PLAIN, "ls-files", "-z", "-s"))
        return {os.fsdecode(path) for mode, _, stage, path in entries if mode == LINK_MODE and stage == b"0"}


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _paths(listed: bytes) -> set[str]:
    return {os.fsdecode(path).rstrip("/") for path in listed.split(b"\0") if path}
