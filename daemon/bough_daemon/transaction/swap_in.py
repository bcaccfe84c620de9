"""Apply one difference to the working tree: prepare everything next to it, swap, compare, or put it all back."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.atomic_rename import DirEntry, exchange, put
from bough_daemon.git.filters import any_rules, outside_rules
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK, Objects, TreeEntry
from bough_daemon.git.paths import STAGE, Blocked, folder_of, folders_above, open_folder
from bough_daemon.git.root_dir import RootDir, blob_id, read_at, read_if_closed
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.json_records import read_record
from bough_daemon.transaction.context import StagedFiles
from bough_daemon.transaction.file_state import Disturbed, FileState, FileStep
from bough_daemon.transaction.new_files import new_files

log = logging.getLogger(__name__)

MANIFEST = "paths.json"
UNSEEN = 50  # files at most that are swapped before their folder is looked for at its path

Keep = Callable[[Mapping[str, TreeEntry]], object]
"""Keep files, by path, so that their user can have them back."""

Discard = Callable[[str], object]
"""Remove a folder with replaced files, now or later."""


class Placing:
    """The steps from what is in the tree to the picture `new`.

    In the stage, a folder on the same file system, each step has a file named by its number: before the swap what
    comes, after it what went. `occupied`: folders that stay even where nothing is left in them. `plain`: paths whose
    bytes are known to be their blobs. `keep` is called with files that could not be put back, in the store by then.
    `staged`: files that were made beforehand.
    """

    def __init__(
        self,
        ground: RootDir,
        objects: Objects,
        steps: list[FileStep],
        new: FileState,
        keep: Keep,
        occupied: Collection[str] = (),
        plain: Collection[str] = (),
        discard: Discard = shutil.rmtree,
        staged: StagedFiles | None = None,
    ) -> None:
        self.ground = ground
        self.objects = objects
        self.steps = steps
        self.new = new
        self._keep = keep
        self._discard = discard
        self._staged = staged
        self._occupied = occupied
        self._plain = plain
        self._modes = dict(new.modes)
        self._ready: dict[int, str] = {}  # the blob of the new content, by step
        self._swapped: list[int] = []
        self._kept: dict[str, TreeEntry] = {}
        self._removed: list[str] = []
        self._made: list[str] = []
        self._inside: tuple[str, int] | None = None  # the folder whose files are being swapped, and open for that

    def carry_out(self, worktree: Worktree, scratch: str) -> None:
        """Do it all, or raise and leave the files as before.

        If not even that is possible, the stage is kept for `rescue`.
        """
        stage = tempfile.mkdtemp(prefix=STAGE, dir=scratch)
        with RootDir(stage) as opened:
            self._stage = opened.descriptor
            try:
                self._make_ready(worktree, stage)
                self._swap()
            except BaseException:
                self._put_back()
                if self._kept:
                    self._keep(self._kept)
                shutil.rmtree(stage)
                raise
        self._let_go(stage)

    def _let_go(self, stage: str) -> None:
        """Remove the replaced files, which are known to be in the store; the change is made, so this cannot fail.

        With the manifest first: what is left of a stage without one is nobody's save.
        """
        try:
            os.unlink(os.path.join(stage, MANIFEST))
            self._discard(stage)
        except OSError as failure:
            log.warning("%s is removed only at the next start: %s", stage, failure)

    # Preparing.

    def _make_ready(self, worktree: Worktree, stage: str) -> None:
        number_of = {step.path: number for number, step in enumerate(self.steps)}
        missing = [step for step in self.steps if step.arrives]
        if self._staged is not None and self._has_rules_of(worktree, self._staged):
            missing = [step for step in missing if not self._is_made(self._staged, number_of[step.path], step)]
        coming = new_files(worktree, self.objects, self.new, missing, stage, self._plain)
        with contextlib.closing(coming) as each:
            for file in each:
                number = number_of[file.step.path]
                file.write(self._stage, str(number))
                self._ready[number] = file.oid
        for number in self._ready:
            self._set_bits(number, self.steps[number])
        # The last of all: where it is missing, nothing was moved, and what is staged may be half written.
        with open(os.path.join(stage, MANIFEST), "w") as manifest:
            json.dump([step.path for step in self.steps], manifest)

    def _has_rules_of(self, worktree: Worktree, staged: StagedFiles) -> bool:
        """Return whether Git makes the same files of the same blobs as when they were made beforehand."""
        if staged.rules != outside_rules(worktree):
            return False
        trees = {staged.tree, self.new.tree}
        return len(trees) == 1 or not any(any_rules(worktree, self.objects, tree) for tree in trees)

    def _is_made(self, staged: StagedFiles, number: int, step: FileStep) -> bool:
        """Take the file of a step from those that were made beforehand, and return whether it was there."""
        made = staged.files.get(step.path)
        if made is None or made.entry != step.after or staged.raw.get(step.path) != self.new.raw.get(step.path):
            return False
        try:
            os.rename(os.path.join(staged.folder, made.name), str(number), dst_dir_fd=self._stage)
        except FileNotFoundError:
            return False  # recording was restarted, which clears away what nobody seems to need
        self._ready[number] = made.oid
        return True

    def _set_bits(self, number: int, step: FileStep) -> None:
        """Let a new file keep the permissions of the file that it replaces, except execution."""
        if step.after is not None and step.after.mode != LINK:
            bits = self._bits(step.path, step.after.mode)
            if bits is not None:
                os.chmod(str(number), bits, dir_fd=self._stage)

    def _bits(self, path: str, mode: int) -> int | None:
        """Return a file's current or former permissions, None for the usual ones."""
        if path in self._modes:
            return self._modes[path]
        status = self.ground.status(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        bits = stat.S_IMODE(status.st_mode) & 0o777
        return bits | (bits & 0o444) >> 2 if mode == EXECUTABLE else bits & ~0o111

    # Swapping and comparing.

    def _swap(self) -> None:
        """Take away what only goes, the deepest first, then place what comes.

        Raise Disturbed for the first path that was blocked, or at which something else was than we believed. What came
        in its place is not to be seen by anyone, so this is found out at once.
        """
        self.ground.forget()
        leaving = [number for number, step in enumerate(self.steps) if not step.arrives]
        coming = [number for number, step in enumerate(self.steps) if step.arrives]
        self._move_each([number for number in reversed(leaving) if self.steps[number].leaves], self._take)
        self._leave_folders([self.steps[number] for number in leaving])
        self._move_each(coming, self._place)

    def _move_each(self, numbers: Iterable[int], move: Callable[[int, FileStep, int], object]) -> None:
        """Move the file of each step between the stage and its open folder."""
        for count, number in enumerate(numbers, 1):
            step = self.steps[number]
            try:
                move(number, step, self._enter(folder_of(step.path), make=step.arrives))
            except (Blocked, FileExistsError, FileNotFoundError) as failure:
                raise Disturbed(step.path) from failure
            if step.before is not None and step.leaves and not self._is_as_believed(number, step, step.before):
                raise Disturbed(step.path)
            if count % UNSEEN == 0:
                self._check_inside()
        self._exit()

    def _take(self, number: int, step: FileStep, folder: int) -> None:
        put(DirEntry(folder, step.name), DirEntry(self._stage, str(number)))
        self._swapped.append(number)

    def _leave_folders(self, taken: Sequence[FileStep]) -> None:
        """Remove the folders that became empty; Git expects that of a submodule which comes to exist."""
        gone = (step for step in taken if step.after is None)
        self._remove_empty(
            folder for step in gone for folder in [*([] if step.leaves else [step.path]), *folders_above(step.path)]
        )
        for step in taken:
            if step.after is not None:
                try:
                    with self._folder(step.path):
                        pass
                except Blocked as failure:
                    raise Disturbed(step.path) from failure

    def _place(self, number: int, step: FileStep, folder: int) -> None:
        if not step.leaves:
            self._remove_empty(self._folders_only(step.path))
        comes, there = DirEntry(self._stage, str(number)), DirEntry(folder, step.name)
        if step.leaves:
            exchange(comes, there)
        else:
            put(comes, there)
        self._swapped.append(number)

    def _is_as_believed(self, number: int, step: FileStep, before: TreeEntry) -> bool:
        """Return whether what was swapped out is what we believed."""
        # What its writer is yet to write would be in no file and in no snapshot.
        standing = read_if_closed(self._stage, str(number))
        if standing is None:
            return False
        kind, content = standing
        if kind not in (FILE, EXECUTABLE, LINK) or (kind == LINK) != (before.mode == LINK):
            return False
        return blob_id(content) == step.believed

    # Putting back.

    def _put_back(self) -> None:
        """Undo every swap, the last first; what cannot go back is kept in the store."""
        self.ground.forget()
        removed = self._removed.copy()
        for number in reversed(self._swapped):
            try:
                self._unswap(number, self.steps[number])
            except (OSError, Blocked):
                self._keep_staged(number)
        self._close()
        self._remove_empty(self._made)
        for folder in sorted(removed):
            with contextlib.suppress(OSError, Blocked), self._folder(folder):
                pass

    def _unswap(self, number: int, step: FileStep) -> None:
        with self._folder_again(folder_of(step.path)) as folder:
            staged, there = DirEntry(self._stage, str(number)), DirEntry(folder, step.name)
            if not step.arrives:
                if step.after is not None:
                    with contextlib.suppress(FileNotFoundError):  # it is not made yet
                        os.rmdir(step.name, dir_fd=folder)
                put(staged, there)
                return
            if step.leaves:
                exchange(staged, there)
            else:
                put(there, staged)
            if self._is_newer(number):
                # The user saved after the swap: that version is the newest, so it stays, and the previous one is kept.
                if step.leaves:
                    exchange(staged, there)
                    self._keep_staged(number)
                else:
                    put(staged, there)

    def _is_newer(self, number: int) -> bool:
        kind, content = read_at(self._stage, str(number))
        return kind == FOLDER or blob_id(content) != self._ready[number]

    def _keep_staged(self, number: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            kind, content = read_at(self._stage, str(number))
            if kind in (FILE, EXECUTABLE, LINK):
                self._kept[self.steps[number].path] = TreeEntry(kind, self.objects.write_blob(content))

    # Folders.

    def _enter(self, path: str, make: bool) -> int:
        """Return a folder, which is opened once for the files in it. `make`: create it if it is missing."""
        if self._inside is None or self._inside[0] != path:
            self._exit()
            self._inside = path, self._opened(path, make)
        return self._inside[1]

    def _opened(self, path: str, make: bool) -> int:
        try:
            return open_folder(self.ground.descriptor, path)
        except FileNotFoundError:
            if not make:
                raise
        with self._folder(path) as made:
            return os.dup(made)

    def _exit(self) -> None:
        self._check_inside()
        self._close()

    def _check_inside(self) -> None:
        """Raise Disturbed if the folder whose files are being swapped is no longer the one at its path.

        It stays open then: its files are put back where they went.
        """
        if self._inside is None:
            return
        path, opened = self._inside
        try:
            with self.ground.folder(path) as there:
                if os.path.samestat(os.fstat(there), os.fstat(opened)):
                    return
        except (Blocked, FileNotFoundError):
            pass
        raise Disturbed(path)

    def _close(self) -> None:
        inside, self._inside = self._inside, None
        if inside is not None:
            os.close(inside[1])

    @contextlib.contextmanager
    def _folder_again(self, path: str) -> Iterator[int]:
        """Open a folder as `_folder` does, or the one whose files are being swapped, wherever it is by now."""
        if self._inside is not None and self._inside[0] == path:
            yield self._inside[1]
        else:
            with self._folder(path) as opened:
                yield opened

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """Open a folder, creating it with its remembered permissions if it is missing."""
        missing = [above for above in [*folders_above(path), path] if above and self.ground.status(above) is None]
        with self.ground.folder(path, make=True) as opened:
            self._made += missing
            for folder in missing:
                if folder in self._modes:
                    with self.ground.folder(folder) as made:
                        os.fchmod(made, self._modes[folder])
            yield opened

    def _remove_empty(self, folders: Iterable[str]) -> None:
        """Remove those of `folders` that are empty, and remember their permissions."""
        for folder in sorted(set(folders).difference(self._occupied), reverse=True):
            status = self.ground.status(folder)
            if status is None or not stat.S_ISDIR(status.st_mode):
                continue
            try:
                with self.ground.folder(folder_of(folder)) as above:
                    os.rmdir(folder.rpartition("/")[2], dir_fd=above)
            except (OSError, Blocked):
                continue  # not empty
            self.ground.forget()
            self._modes.setdefault(folder, stat.S_IMODE(status.st_mode))
            self._removed.append(folder)

    def _folders_only(self, path: str) -> list[str]:
        """Return a folder and its subfolders if they hold no file, else nothing."""
        status = self.ground.status(path)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return []
        if next(self.ground.files_below(path), None) is not None:
            return []
        found, pending = [], [path]
        while pending:
            at = pending.pop()
            with contextlib.suppress(OSError, Blocked), self.ground.folder(at) as here:
                found.append(at)
                pending += [f"{at}/{name}" for name in os.listdir(here)]
        return found


def stages(scratch: str) -> list[tuple[str, list[str]]]:
    """Return the stages that killed commands left in a folder: (stage, path of each number)."""
    found: list[tuple[str, list[str]]] = []
    for name in os.listdir(scratch):
        if name.startswith(STAGE):
            stage = os.path.join(scratch, name)
            try:
                found.append((stage, read_record(os.path.join(stage, MANIFEST), list[str])))
            except (FileNotFoundError, StoreDamaged):
                found.append((stage, []))  # killed before anything was moved
    return found
