"""Build a tree in the store from the files of a working tree, as `git add -A && git write-tree` would.

There are two ways. `everything` has stock git do it in Bough's own index: at the start, after the kernel lost events,
when ignore rules changed. `after` splices the changed paths into the last tree, so that a save takes milliseconds in a
repository of any size.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

from bough_daemon.errors import GitHangs, HostilePath
from bough_daemon.git.objects import FILE, FOLDER, LINK, SUBMODULE, TreeEntry
from bough_daemon.git.paths import check_path
from bough_daemon.git.rule_files import ATTRIBUTES, IGNORE, NO_FILE, RuleFiles
from bough_daemon.git.rules import Closed, Ignores, IndexReader
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.covered import CoveredFiles
from bough_daemon.recording.file_entries import NO_COMMIT, OF_THE_PROCESS, FileEntries, Unreadable, submodule_entry
from bough_daemon.recording.large_files import LARGE_BYTES, LargeFiles, Signature
from bough_daemon.recording.shadow_index import Shadow
from bough_daemon.store.store import Store
from bough_daemon.system.durable import sync_filesystem

FLOOD = 500  # files; for more, one run of git is cheaper than a question for each
MANY = 20  # files of which Git is asked at once whether it ignores them
RETRIED = 100  # unreadable paths that each exact save tries again


Holds = Callable[[str, os.stat_result], bool]


class TreeBuilder:
    """Build trees of one working tree. On the store's thread only.

    `at_once`: whether large files are read immediately. `heads`: the trees of HEAD at the last snapshot, and now.
    `holds`: returns whether to keep the last tree's version of a file with this `lstat`, even if it differs.
    `unreadable`: paths that could not be read, with Git's or the system's reason; their last version on the branch is
    kept.
    """

    def __init__(self, worktree: Worktree, store: Store, holds: Holds = lambda path, status: False) -> None:
        self.worktree = worktree
        self.store = store
        self._holds = holds
        self.rule_files = RuleFiles(worktree)
        self.ignores = Ignores(worktree, self.rule_files)
        self.covered = CoveredFiles(worktree, store)
        self.unreadable: dict[str, str] = {}
        shadow = os.path.join(store.folder, "index", worktree.key)
        self.index = IndexReader(worktree, shadow, self.rule_files)
        self._shadow = Shadow(worktree, store.objects.folder, shadow)
        self._hasher = FileEntries(worktree, store.objects, self.index, os.path.join(store.folder, "spool"))
        self.large = LargeFiles(worktree, store.objects, self.index, os.path.join(store.folder, "spool", worktree.key))
        self.at_once = False
        self.heads = ("", "")
        self._links: set[str] = set()
        self._ours: set[str] = set()  # folders that are nested repositories although the index tracks files in them
        self._not_enough, self._looked_at, self._most = False, 0, FLOOD
        self._before: str | None = None  # the last tree
        self._told: dict[str, bool | Closed | None] = {}  # whether Git ignores the files of this look

    def restart(self) -> None:
        """End the git children; the next ones start in the then current environment."""
        self.ignores.forget()
        self._hasher.forget()
        self.large.forget()

    close = restart

    def forget_rules(self) -> None:
        """Re-read ignore rules, attributes, configuration and index."""
        self.restart()
        self.index.forget()

    def unconverted(self, contents: Mapping[str, Iterable[bytes]]) -> frozenset[str]:
        """Return those paths whose bytes equal their blobs, for each of these contents."""
        conversion = self._hasher.attributes.conversion
        return frozenset(path for path, of in contents.items() if not any(map(conversion(path).changes, of)))

    def withheld(self) -> dict[str, str]:
        """Return what is left out, with the reason, including Git's index if Git cannot read it."""
        broken = self.index.failure
        said = {".git/index": f"{broken}; the last one that Git could read is used"} if broken else {}
        return self.unreadable | said | self.rule_files.withheld()

    def everything(self, base_tree: str, before: str | None = None, spared: Collection[str] = ()) -> str:
        """Return the tree of all files; `base_tree`: that of the user's commit, which need not be copied.

        `before`: the last tree, used for files that cannot be read. `spared`: files that need not be added. One run of
        git adds all; only paths where it fails are examined one by one.
        """
        self.index.changed()
        if self.index.failure and not os.path.exists(self.index.last_good):
            self._shadow.begin_with(base_tree)
            self.index.forget()
            self.index.changed()
        self._shadow.copy(self.index)
        self.unreadable, self._before = {}, before
        self._hasher.forget_unused()
        careful = bool(self.rule_files.closed()) or self._hasher.hangs()
        whole, closed = (False, False) if careful else self._add_all(spared)
        tree, dropped = self._shadow.tree()
        if not whole or dropped:
            tree = self._one_by_one(tree, before, dropped)
        elif closed:
            for _ in self._files_below(""):  # it records the unreadable folders
                pass
            tree = self._with_kept(tree, {}, before)
        tree = self._with_covered(tree, before)
        self._shadow.keep()
        if tree != base_tree:
            sync_filesystem(self.store.path)
        self.store.objects.own_tree_difference(base_tree, tree)
        known = {path for path in self._links.copy() if self._has_git(path)} - self._other_owners()
        self._links = known | self._shadow.links()
        self._links |= {path for path, why in self.unreadable.items() if why == NO_COMMIT}
        return tree

    def _add_all(self, spared: Collection[str]) -> tuple[bool, bool]:
        try:
            return self._shadow.add_all(spared)
        except GitHangs:
            self._hasher.suspect()
            return False, False

    def _one_by_one(self, tree: str, before: str | None, more: set[str]) -> str:
        """Return the tree `tree` of the index with every file that differs, each examined separately."""
        differing, untracked = self._differing(tree)
        paths = differing | untracked | more | self.index.facts.links.keys()
        found = self._found(tree, paths, most=None)
        found |= self._under_closed_attributes(tree, before)
        if self.index.facts.sparse:
            # Git can tell what it would add only if it can read all rules.
            taken = self._shadow.would_add(untracked) if not self.rule_files.closed() else set()
            refused = untracked - taken
            found = {path: entry for path, entry in found.items() if path not in refused}
        return self._with_kept(tree, found, before)

    def _differing(self, tree: str) -> tuple[set[str], set[str]]:
        """Return the paths whose files differ from the index, whose tree is `tree`, and the new ones."""
        if not self.rule_files.closed():
            return self._shadow.differing()
        entry = self.store.objects.entry
        untracked = {path for path, _ in self._files_below("") if entry(tree, path) is None}
        return self._shadow.differing_outside(self.rule_files.folders(ATTRIBUTES)), untracked

    def _under_closed_attributes(self, tree: str, before: str | None) -> dict[str, TreeEntry | None]:
        """Return what to keep for tracked files whose conversion depends on unreadable attributes."""
        found: dict[str, TreeEntry | None] = {}
        for folder in self.rule_files.folders(ATTRIBUTES):
            top = self._folder_in(tree, folder)
            for path, entry in self.store.objects.walk(top, folder) if top is not None else ():
                was = self.store.objects.entry(before, path) if before is not None else None
                found[path] = (was or entry) if self._status_or_withheld(path) is not None else None
        return found

    def _folder_in(self, tree: str, folder: str) -> str | None:
        entry = self.store.objects.entry(tree, folder) if folder else TreeEntry(FOLDER, tree)
        return entry.oid if entry is not None and entry.mode == FOLDER else None

    def _with_kept(self, tree: str, found: dict[str, TreeEntry | None], before: str | None) -> str:
        """Return `tree` with what was found, and with what is kept for the unreadable paths."""
        if before is not None:
            found |= dict(self._kept(before, set(self.unreadable), found))
        return self.store.objects.splice(tree, found) if found else tree

    def _with_covered(self, tree: str, before: str | None) -> str:
        """Return `tree` with the covered files; what is not settled is as the last tree has it."""
        missing = {path for path in self.covered.paths if self.store.objects.entry(tree, path) is None}
        if not missing:
            return tree  # the usual case
        last = {path: self.store.objects.entry(before, path) for path in missing} if before is not None else {}
        there = {path: entry for path, entry in last.items() if self._status_or_withheld(path) is not None}
        return self.store.objects.splice(tree, there | self._found(tree, missing, most=None))

    def _kept(
        self, before: str, paths: set[str], found: dict[str, TreeEntry | None]
    ) -> Iterator[tuple[str, TreeEntry]]:
        """Yield what is kept for unreadable paths.

        That is what the last tree has, unless the file is as in the index: then a pull may have brought it, and there
        is nothing to read.
        """
        if not paths:
            return  # the usual case: git is not asked
        staged = self.index.entries(paths)
        clean = self.index.clean({path for path, entry in staged.items() if entry.mode != SUBMODULE})
        for path in paths:
            was = self.store.objects.entry(before, path)
            if path in clean:
                self.unreadable.pop(path, None)
                self.store.objects.own([staged[path].oid])
                yield path, staged[path]
            elif was is not None and was.mode == FOLDER:
                for below, entry in self.store.objects.walk(was.oid, path):
                    if below not in found and self._is_closed(below):
                        yield below, entry
            elif was is not None or path in staged:
                yield path, was or staged[path]

    def _is_closed(self, path: str) -> bool:
        try:
            self._status(path)
        except Unreadable:
            return True
        return False

    def after(self, tree: str, paths: Iterable[str]) -> str | None:
        """Return `tree` with the current content of each of `paths`; a folder includes everything below it.

        None if examining them is not enough, and `everything` must be called.
        """
        changed = self.index.changed()
        self._before = tree
        wanted = set(paths) | (changed.paths | self._other_owners() if changed is not None else set())
        withheld = self.unreadable.copy()
        found = self._found(tree, wanted, most=FLOOD)
        if self._not_enough or (found and self.index.facts.sparse):
            return None  # outside a sparse checkout Git accepts neither edits nor removals
        for path in changed.hidden if changed is not None else ():
            found.update(self._as_in_index(path))
        again = {path for path, why in self.unreadable.items() if withheld.get(path) != why or path in wanted}
        found |= {path: entry for path, entry in self._kept(tree, again, found) if self._differs(tree, path, entry)}
        return self.store.objects.splice(tree, found) if found else tree

    def _differs(self, tree: str, path: str, entry: TreeEntry) -> bool:
        return self.store.objects.entry(tree, path) != entry

    def _found(self, tree: str, paths: Iterable[str], most: int | None) -> dict[str, TreeEntry | None]:
        """Return the current content of each path; after `most` files it stops and sets `_not_enough`."""
        self._not_enough, self._looked_at, self._most = False, 0, most if most is not None else sys.maxsize
        found: dict[str, TreeEntry | None] = {}
        folders: dict[str, bool] = {"": True}
        wanted = sorted(paths)
        try:
            self._ask_ahead(wanted, folders)
            for path in wanted:
                found.update(self._look(tree, path, folders))
        finally:
            self._told = {}
        return found

    def _ask_ahead(self, paths: list[str], folders: dict[str, bool]) -> None:
        """Ask Git about many files at once: one by one, waiting for its answers takes longer than all the rest."""
        if len(paths) < MANY:
            return
        files = [path for path in paths if self._is_file(path, folders) and not self._stays(path)]
        self._told = dict(zip(files, self._ignored(files), strict=True))

    def _is_file(self, path: str, folders: dict[str, bool]) -> bool:
        """Return whether an ordinary file or a symlink is at a path whose entry is not flagged in the index."""
        if not _is_plain(path) or path in self.index.facts.flagged:
            return False
        try:
            status = self._status(path) if self._in_folder(path, folders) else None
        except Unreadable:
            return False
        return status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode))

    def _stays(self, path: str) -> bool:
        """Return whether a file is recorded even if Git ignores it."""
        return path in self.index.facts.tracked_ignored or path in self.covered.paths

    def to_retry(self) -> set[str]:
        """Return unreadable paths that may be readable now, without an event."""
        self._hasher.try_again()
        return set(islice(self.unreadable, RETRIED))

    def _as_in_index(self, path: str) -> Iterator[tuple[str, TreeEntry | None]]:
        kept = self.index.entry(path)
        if kept is not None:
            self.store.objects.own([kept[1]])
            yield path, TreeEntry(*kept)

    def linked(self) -> set[str]:
        """Return the paths of nested repositories, with or without a commit: changes in them send no events."""
        return set(self._links)

    def _look(self, tree: str, path: str, folders: dict[str, bool]) -> Iterator[tuple[str, TreeEntry | None]]:
        if not _is_plain(path) or path in self.index.facts.flagged:
            return
        try:
            status = self._status(path) if self._in_folder(path, folders) else None
        except Unreadable as failure:
            self._withhold(path, failure)
            return
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from self._look_below(tree, path, folders)
        elif status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            yield from self._look_at_file(tree, path, status)
        elif status is not None and path.rpartition("/")[2] in (IGNORE, ATTRIBUTES):
            self.unreadable[path] = NO_FILE
        else:
            yield from self._gone(tree, path)

    def _withhold(self, path: str, failure: Unreadable) -> None:
        self.unreadable[failure.path or path] = str(failure)

    def _look_at_file(self, tree: str, path: str, status: os.stat_result) -> Iterator[tuple[str, TreeEntry | None]]:
        ignored = not self._stays(path) and self._is_ignored(path)
        if ignored is None:
            return
        if ignored:
            self.unreadable.pop(path, None)
            yield path, None
            return
        if self._holds(path, status):
            return
        before = self.store.objects.entry(tree, path)
        self._looked_at += 1
        if self._looked_at > self._most:
            self._not_enough = True
            return
        self._not_enough |= status.st_nlink > 1  # another name of the same file changed without an event
        try:
            check_path(path, LINK if stat.S_ISLNK(status.st_mode) else FILE)
            found = self._entry(path, status, before)
            if found is not None:
                yield path, found
                self.unreadable.pop(path, None)
        except FileNotFoundError:
            if self._status(path) is not None:
                raise  # it was not this file
            yield from self._gone(tree, path)
        except HostilePath:
            self.unreadable[path] = f"invalid path '{path}'"
        except Unreadable as failure:
            self._withhold(path, failure)

    def _entry(self, path: str, status: os.stat_result, before: TreeEntry | None) -> TreeEntry | None:
        """Return the entry of a file; None for a large one that must be read first, so the last version stays."""
        if not stat.S_ISREG(status.st_mode) or status.st_size < LARGE_BYTES:
            return self._hasher.entry(path, status, before)
        blob = self.large.blob(path, status)
        if blob is not None:
            return TreeEntry(self._hasher.mode(status, before), blob)
        was, at_head = (self.store.objects.entry(tree, path) if tree else None for tree in self.heads)
        if at_head is not None and self.index.vouched(path, status) == at_head:
            self.large.note(path, status, at_head.oid)
            return at_head
        if self.at_once:
            found = self._hasher.entry(path, status, before)
            now = self._status(path)
            if now is not None and Signature.of(now) == Signature.of(status):
                self.large.note(path, status, found.oid)
            return found
        # Git has committed another content: keeping the previous version would read as its removal.
        return at_head if at_head != was else None

    def _look_below(self, tree: str, path: str, folders: dict[str, bool]) -> Iterator[tuple[str, TreeEntry | None]]:
        """Yield everything below a folder, and None for what the tree has there and the disk does not."""
        was = self.store.objects.entry(tree, path)
        if self.is_link(path):
            yield from self._look_at_link(path, was)
            return
        self._links.discard(path)
        self.unreadable.pop(path, None)
        if path in self.index.facts.links:  # a submodule that is not checked out
            yield path, TreeEntry(SUBMODULE, self.index.facts.links[path])
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
        """Return whether Git treats a folder as a nested repository: not if the index has files in it.

        May be called from any thread. Such a folder counts as linked from then on, even if Git does not see it yet.
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
        """Return the folders that have become, or are no longer, nested repositories by the current index."""
        ours = {path for path in self._links - self.index.facts.links.keys() if self.index.tracks_below(path)}
        theirs = {path for path in self._ours.copy() if not self.index.tracks_below(path)}
        self._links -= ours
        self._ours -= theirs
        return ours | theirs

    def _look_at_link(self, path: str, was: TreeEntry | None) -> Iterator[tuple[str, TreeEntry | None]]:
        ignored = was is None and self._is_ignored(path)
        if ignored is None:
            return
        if ignored:
            self._links.discard(path)
            self.unreadable.pop(path, None)
            return
        try:
            yield path, submodule_entry(self.worktree, path)
            self.unreadable.pop(path, None)
        except Unreadable as failure:
            self._withhold(path, failure)

    def _files_below(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield (path, lstat) of every file, symlink and nested repository below a folder that may count."""
        pending = [path]
        while pending:
            at = pending.pop()
            found = self._entries_in(at)
            inner = [_join(at, entry.name) for entry in found if entry.is_dir(follow_symlinks=False)]
            hidden = self._ignored(inner)
            for folder, ignored in zip(inner, hidden, strict=True):
                status = self._status_or_withheld(folder)
                if status is not None and self.is_link(folder):
                    yield folder, status
                elif ignored is False or isinstance(ignored, Closed) or self.records_below(folder):
                    pending.append(folder)
            for entry in found:
                below = _join(at, entry.name)
                status = self._status_or_withheld(below)
                if status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    yield below, status

    def records_below(self, folder: str) -> bool:
        """Return whether files in an ignored folder are recorded. From any thread."""
        return self.index.facts.tracked_below(folder) or self.covered.below(folder)

    def _is_ignored(self, path: str) -> bool | None:
        """Return whether Git ignores a path; None if it cannot tell, and the path is not recorded yet."""
        answer = self._told[path] if path in self._told else self._ignored([path])[0]
        if isinstance(answer, Closed):
            return False if self._is_known(path) else None
        return answer

    def _is_known(self, path: str) -> bool:
        """Return whether a path is already recorded or tracked."""
        if self._before is not None and self.store.objects.entry(self._before, path) is not None:
            return True
        return self.index.entry(path) is not None

    def _ignored(self, paths: list[str]) -> list[bool | Closed | None]:
        """Return for each path whether Git ignores it; None for one that is withheld because Git cannot tell."""
        answers = self.ignores.answers(paths)
        said = zip(paths, answers, strict=True)
        self.unreadable |= {path: why for path, why in said if isinstance(why, str) and not isinstance(why, Closed)}
        return [answer if isinstance(answer, bool | Closed) else None for answer in answers]

    def _entries_in(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what a folder contains; one that cannot be read is withheld."""
        try:
            with os.scandir(os.path.join(self.worktree.root, folder)) as entries:
                found = [entry for entry in entries if entry.name.lower() != ".git"]
            self.unreadable.pop(folder, None)
            return found
        except (FileNotFoundError, NotADirectoryError):
            return []  # its change sends an event of its own
        except OSError as failure:
            if failure.errno in OF_THE_PROCESS or not folder:
                raise
            self.unreadable[folder] = failure.strerror or str(failure)
            return []

    def _status_or_withheld(self, path: str) -> os.stat_result | None:
        try:
            return self._status(path)
        except Unreadable as failure:
            self._withhold(path, failure)
            return None

    def _status(self, path: str) -> os.stat_result | None:
        """Return the `lstat` of a path, None if nothing is there; raise Unreadable if the system refuses."""
        try:
            return os.lstat(os.path.join(self.worktree.root, path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as failure:
            if failure.errno in OF_THE_PROCESS:
                raise
            raise Unreadable(failure.strerror or str(failure), self._closed_at(path)) from failure

    def _closed_at(self, path: str) -> str:
        """Return the topmost part of a path that cannot be reached: a folder without permission, or too long."""
        at = ""
        for part in path.split("/"):
            below = _join(at, part)
            try:
                os.lstat(os.path.join(self.worktree.root, below))
            except PermissionError:
                return at or below
            except OSError:
                return below
            at = below
        return path

    def _in_folder(self, path: str, folders: dict[str, bool]) -> bool:
        """Return whether all parents of a path are folders of this repository, no symlinks; `folders` is a cache."""
        parent = path.rpartition("/")[0]
        known = folders.get(parent)
        if known is None:
            status = self._status(parent) if self._in_folder(parent, folders) else None
            is_folder = status is not None and stat.S_ISDIR(status.st_mode)
            known = folders[parent] = is_folder and not self.is_link(parent)
        return known

    def _gone(self, tree: str, path: str) -> Iterator[tuple[str, TreeEntry | None]]:
        """Yield the removal of `path` and everything below it, except paths flagged in the index."""
        self.unreadable.pop(path, None)
        flagged = {kept for kept in self.index.facts.flagged if kept.startswith(path + "/")}
        was = self.store.objects.entry(tree, path) if flagged else None
        if was is None or was.mode != FOLDER:
            yield path, None
            return
        for below, _ in self.store.objects.walk(was.oid, path):
            if below not in flagged:
                yield below, None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_plain(path: str) -> bool:
    """Return whether a tree can have such a path at all."""
    return bool(path) and not any(part.lower() in (".git", "", ".", "..") for part in path.split("/"))
