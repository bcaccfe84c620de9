"""From the files of a working tree to a tree in the store, as `git add -A && git write-tree` would give it.

Two ways lead there. `everything` lets stock git do it in an index of Bough's own: at the start, after the kernel lost
events, when ignore rules changed. `after` splices the paths that changed into the last tree, which is what makes a save
cost milliseconds in a repository of any size.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from bough_daemon.durable import sync_filesystem
from bough_daemon.git import Git, failure_of
from bough_daemon.hashing import Hasher, Unreadable, submodule_entry
from bough_daemon.objects import FOLDER, SUBMODULE, Entry
from bough_daemon.rules import Ignores, IndexReader
from bough_daemon.store import Store
from bough_daemon.worktree import Worktree

FAILING_LIMIT = 50  # files whose filters fail, before that is an error
FLOOD = 500  # files; for more of them one run of git is cheaper than a question for each


class Snapshots:
    """Make trees of one working tree. On the store's thread only.

    `unreadable`: paths that could not be read, with the reason; what the branch had for them stays.
    """

    def __init__(self, worktree: Worktree, store: Store) -> None:
        self.worktree = worktree
        self.store = store
        self.index = IndexReader(worktree)
        self.ignores = Ignores(worktree)
        self.unreadable: dict[str, str] = {}
        key = hashlib.sha256(os.fsencode(worktree.git_dir)).hexdigest()[:16]
        self._shadow = os.path.join(store.folder, "index", key)
        self._hasher = Hasher(worktree, store.objects, self.index, os.path.join(store.folder, "spool"))
        self._links: set[str] = set()
        self._ours: set[str] = set()  # folders that are repositories, and that have files which the index tracks
        self._not_enough, self._looked_at = False, 0

    def close(self) -> None:
        """End the git children."""
        self.ignores.forget()
        self._hasher.close()

    def forget_rules(self) -> None:
        """Read ignore rules, attributes and configuration anew."""
        self.ignores.forget()
        self._hasher.forget()
        self.index.forget()

    def everything(self, base_tree: str) -> str:
        """Return the tree of all files; `base_tree`: what the user's commit has, which need not be copied."""
        self.index.changed()
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(self._shadow), mode=0o700)
        for stale in (self._shadow, self._shadow + ".lock"):
            if os.path.exists(stale):
                os.unlink(stale)
        if os.path.exists(self.index.path):
            shutil.copy2(self.index.path, self._shadow)
        git = self.worktree.git.with_environment(
            GIT_INDEX_FILE=self._shadow, GIT_OBJECT_DIRECTORY=self.store.objects.folder
        )
        settings = (
            "core.splitIndex=false",
            "core.untrackedCache=false",
            "core.safecrlf=false",
            "advice.addEmbeddedRepo=false",
        )
        options = [word for setting in settings for word in ("-c", setting)]
        self.unreadable = _add_all(git, options)
        tree = git.line(*options, "write-tree")
        if tree != base_tree:
            sync_filesystem(self.store.path)
        self.store.objects.own_tree_difference(base_tree, tree)
        listed = git.run(*options, "ls-files", "-z", "-s")
        known = {path for path in self._links.copy() if self._has_git(path)} - self._other_owners()
        self._links = known | {os.fsdecode(path) for path in re.findall(rb"(?:^|\0)160000 \w+ 0\t([^\0]+)", listed)}
        self._links |= {path for path, why in self.unreadable.items() if why.startswith("a repository")}
        return tree

    def after(self, tree: str, paths: Iterable[str]) -> str | None:
        """Return `tree` with what stands at each of `paths` now; a folder counts with everything below it.

        None where looking at them is not enough, and `everything` has to be asked.
        """
        changed = self.index.changed()
        wanted = set(paths) | (changed.paths | self._other_owners() if changed is not None else set())
        self._not_enough, self._looked_at = False, 0
        found: dict[str, Entry | None] = {}
        folders: dict[str, bool] = {"": True}
        for path in sorted(wanted):
            found.update(self._look(tree, path, folders))
        if self._not_enough or (found and self.index.facts.sparse):
            return None  # outside of a sparse checkout Git takes neither edits nor removals
        for path in changed.hidden if changed is not None else ():
            found.update(self._as_in_index(path))
        return self.store.objects.splice(tree, found) if found else tree

    def _as_in_index(self, path: str) -> Iterator[tuple[str, Entry | None]]:
        kept = self.index.entry(path)
        if kept is not None:
            self.store.objects.own([kept[1]])
            yield path, Entry(*kept)

    def linked(self) -> set[str]:
        """Return the paths of repositories inside this one, with or without a commit: what they do sends no events."""
        return set(self._links)

    def _look(self, tree: str, path: str, folders: dict[str, bool]) -> Iterator[tuple[str, Entry | None]]:
        if not _is_plain(path) or path in self.index.facts.flagged:
            return
        status = _lstat(os.path.join(self.worktree.root, path)) if self._in_folder(path, folders) else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from self._look_below(tree, path, folders)
        elif status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            yield from self._look_at_file(tree, path, status)
        else:
            yield from self._gone(tree, path)

    def _look_at_file(self, tree: str, path: str, status: os.stat_result) -> Iterator[tuple[str, Entry | None]]:
        if path not in self.index.facts.tracked_ignored and self.ignores.ignored([path])[0]:
            yield path, None
            return
        before = self.store.objects.entry(tree, path)
        self._looked_at += 1
        if self._looked_at > FLOOD:
            self._not_enough = True
            return
        self._not_enough |= status.st_nlink > 1  # another name of the same file changed without an event
        try:
            yield path, self._hasher.entry(path, status, before)
            self.unreadable.pop(path, None)
        except Unreadable as failure:
            self.unreadable[path] = str(failure)

    def _look_below(self, tree: str, path: str, folders: dict[str, bool]) -> Iterator[tuple[str, Entry | None]]:
        """Yield everything below a folder, and None for what the tree has there and the disk has not."""
        was = self.store.objects.entry(tree, path)
        if self.is_link(path):
            yield from self._look_at_link(path, was)
            return
        self._links.discard(path)
        if path in self.index.facts.links:  # a submodule that is not checked out
            yield path, Entry(SUBMODULE, self.index.facts.links[path])
            return
        seen: set[str] = set()
        for below, status in self._files_below(path):
            if stat.S_ISDIR(status.st_mode):
                yield from self._look_at_link(below, self.store.objects.entry(tree, below))
            elif below not in self.index.facts.flagged:
                yield from self._look_at_file(tree, below, status)
            seen.add(below)
        if was is not None and was.mode == FOLDER:
            gone = (below for below, _ in self.store.objects.walk(was.oid, path) if below not in seen)
            for below in gone:
                yield from self._look(tree, below, folders)
        elif was is not None and not seen:
            yield path, None

    def is_link(self, path: str) -> bool:
        """Return whether a folder is a repository of its own, for Git: not where the index has files of it.

        May be called from any thread. What is one counts as linked from then on, though Git may not see it as one yet.
        """
        if not self._has_git(path):
            return False
        if path in self._links:
            return True
        found = path in self.index.facts.links or not self.index.tracks_below(path)
        (self._links if found else self._ours).add(path)
        return found

    def _has_git(self, path: str) -> bool:
        return os.path.lexists(os.path.join(self.worktree.root, path, ".git"))

    def _other_owners(self) -> set[str]:
        """Return the folders that are repositories of their own only by the index as it is now, or no longer."""
        ours = {path for path in self._links - self.index.facts.links.keys() if self.index.tracks_below(path)}
        theirs = {path for path in self._ours.copy() if not self.index.tracks_below(path)}
        self._links -= ours
        self._ours -= theirs
        return ours | theirs

    def _look_at_link(self, path: str, was: Entry | None) -> Iterator[tuple[str, Entry | None]]:
        entry = submodule_entry(self.worktree, path)
        if was is None and self.ignores.ignored([path])[0]:
            self._links.discard(path)
            return
        if entry is not None:
            self.unreadable.pop(path, None)
            yield path, entry
        elif was is None or was.mode != SUBMODULE:
            self.unreadable[path] = "a repository without a commit"

    def _files_below(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield (path, lstat) of every file, symlink and inner repository below a folder that may count."""
        pending = [path]
        while pending:
            at = pending.pop()
            try:
                with os.scandir(os.path.join(self.worktree.root, at)) as entries:
                    found = [entry for entry in entries if entry.name.lower() != ".git"]
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue  # an event of its own tells of what became of it
            inner = [f"{at}/{entry.name}" for entry in found if entry.is_dir(follow_symlinks=False)]
            hidden = self.ignores.ignored(inner)
            for folder, ignored in zip(inner, hidden, strict=True):
                status = _lstat(os.path.join(self.worktree.root, folder))
                if status is not None and self.is_link(folder):
                    yield folder, status
                elif not ignored or self.index.facts.tracked_below(folder):
                    pending.append(folder)
            for entry in found:
                status = _lstat(entry.path)
                if status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    yield f"{at}/{entry.name}", status

    def _in_folder(self, path: str, folders: dict[str, bool]) -> bool:
        """Return whether all above `path` are folders of this repository, no symlinks; `folders` remembers answers."""
        parent = path.rpartition("/")[0]
        known = folders.get(parent)
        if known is None:
            status = _lstat(os.path.join(self.worktree.root, parent)) if self._in_folder(parent, folders) else None
            is_folder = status is not None and stat.S_ISDIR(status.st_mode)
            known = folders[parent] = is_folder and not self.is_link(parent)
        return known

    def _gone(self, tree: str, path: str) -> Iterator[tuple[str, Entry | None]]:
        """Yield the removal of `path` with all below it but what is flagged in the index."""
        self.unreadable.pop(path, None)
        flagged = {kept for kept in self.index.facts.flagged if kept.startswith(path + "/")}
        was = self.store.objects.entry(tree, path) if flagged else None
        if was is None or was.mode != FOLDER:
            yield path, None
            return
        for below, _ in self.store.objects.walk(was.oid, path):
            if below not in flagged:
                yield below, None


def _add_all(git: Git, options: Sequence[str]) -> dict[str, str]:
    """Add everything to the index; return the paths that cannot be, with the reason. What the index had for them stays.

    A required filter that fails (an absent git-lfs) would stop git altogether, so its file is left out.
    """
    failing: dict[str, str] = {}
    while True:
        pathspecs = [".", *(f":(top,exclude,literal){path}" for path in failing)]
        code, _, words = git.result(*options, "add", "-A", "--ignore-errors", "--", *pathspecs, allowed=(0, 1, 128))
        refused = re.search(r"^fatal: (.+): clean filter '(.+)' failed$", words, re.M)
        if code < 128:
            return failing | (_unreadable(words) if code else {})
        if refused is None or refused[1] in failing or len(failing) >= FAILING_LIMIT:
            raise failure_of("add", words)
        failing[refused[1]] = f"its filter {refused[2]} fails"


def _unreadable(words: str) -> dict[str, str]:
    """Return the paths that `git add` could not take, and why, from what it said."""
    found = dict.fromkeys(re.findall(r"^error: '(.+)/' does not have a", words, re.M), "a repository without a commit")
    return found | {path: why.lower() for path, why in re.findall(r'^error: open\("(.+)"\): (.+)$', words, re.M)}


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_plain(path: str) -> bool:
    """Return whether a path may be in a tree at all."""
    return bool(path) and not any(part.lower() in (".git", "", ".", "..") for part in path.split("/"))
