"""The files that a change brings: made as Git would check them out, in a folder, before any of them is placed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from bough_daemon.errors import HostilePath
from bough_daemon.git.filters import Checkout, any_rules, outside_rules
from bough_daemon.git.objects import EXECUTABLE, LINK, Objects
from bough_daemon.git.paths import STAGE, folders_above
from bough_daemon.git.root_dir import RootDir, blob_id
from bough_daemon.git.worktree import Worktree
from bough_daemon.transaction.context import LiveWorktree, StagedFile, StagedFiles
from bough_daemon.transaction.file_state import Disturbed, FileState, FileStep, differences, is_file
from bough_daemon.transaction.index_only import index_only

MANY = 200  # files; fewer are made in the same moment in which they are placed


@dataclass(frozen=True)
class NewFile:
    """A file that a step brings. `oid`: the blob of its exact bytes, which need not be in the store."""

    step: FileStep
    oid: str
    content: bytes

    def write(self, folder: int, name: str) -> None:
        """Write the file, with the permissions that Git gives it, under a name in an open folder."""
        mode = self.step.after.mode if self.step.after is not None else 0
        if mode == LINK:
            self._link(folder, name)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        out = os.open(name, flags, 0o777 if mode == EXECUTABLE else 0o666, dir_fd=folder)
        try:
            written = os.write(out, self.content)
            while written < len(self.content):
                written += os.write(out, memoryview(self.content)[written:])
        finally:
            os.close(out)

    def _link(self, folder: int, name: str) -> None:
        path = self.step.path
        try:
            os.symlink(self.content, os.fsencode(name), dir_fd=folder)
        except (ValueError, OSError) as failure:
            if getattr(failure, "errno", errno.ENOENT) not in (errno.ENOENT, errno.ENAMETOOLONG):
                raise
            raise HostilePath(f"{path} is a symlink with an invalid target", path=path) from failure


def new_files(
    worktree: Worktree,
    objects: Objects,
    new: FileState,
    steps: Sequence[FileStep],
    folder: str,
    plain: Collection[str] = (),
) -> Generator[NewFile, None, None]:
    """Yield the file of each step that brings one; raise FilterFailed if a required filter fails.

    `steps`: towards the state `new`. `folder`: for what git needs. `plain`: paths whose bytes are known to be their
    blobs.
    """
    coming = [step for step in steps if step.arrives]
    files = [step.path for step in coming if is_file(step.after) and step.path not in new.raw]
    unsure = [path for path in files if path not in plain]
    if not unsure or not any_rules(worktree, objects, new.tree):
        yield from _each(objects, new, coming, (), iter(()))
        return
    with tempfile.TemporaryDirectory(prefix="checkout-", dir=folder) as inner:
        checkout = Checkout(worktree, objects, new.tree, unsure, inner)
        converted = checkout.converted(unsure).keys()
        asked = [(step.after.oid, step.path) for step in coming if step.after is not None and step.path in converted]
        yield from _each(objects, new, coming, converted, checkout.contents(asked))


def _each(
    objects: Objects, new: FileState, steps: Sequence[FileStep], converted: Collection[str], made: Iterator[bytes]
) -> Iterator[NewFile]:
    """Yield each file. `made`: the bytes of those that Git has converted, in the order of the steps."""
    for step in steps:
        assert step.after is not None
        if step.path in converted:
            content = next(made)
            yield NewFile(step, blob_id(content), content)
        else:
            oid = new.raw.get(step.path, step.after.oid)
            yield NewFile(step, oid, objects.blob(oid))


@dataclass(frozen=True)
class Goal:
    """What the files are to be. `hidden`: further paths that are left alone, besides those that Git hides now."""

    picture: FileState
    hidden: Collection[str] = ()


@asynccontextmanager
async def made_ahead(
    live: LiveWorktree, old: str, new: Callable[[LiveWorktree], Goal | None]
) -> AsyncIterator[LiveWorktree]:
    """Yield the working tree with the many files of a change made beforehand: saves are recorded meanwhile.

    `old`: the tree that the files are as in. `new`: returns what they are to be, None if that is not known. Whatever
    differs when they are placed is made then. With few files nothing is made, and `staged` is None.
    """
    goal = await live.owner.run(_goal_of_many, live, old, new)
    staged = await live.beside(partial(_made, old=old, goal=goal)) if goal is not None else None
    if staged is None:
        yield live
        return
    try:
        yield replace(live, staged=staged)
    finally:
        live.discard(staged.folder)


async def check_undisturbed(live: LiveWorktree, old: str) -> None:
    """Raise Disturbed if a file was saved where one comes that was made beforehand, since the files were as in `old`.

    Or on its way, or below it: what was new there would be taken for a file that Git ignores, and would make room.
    """
    if live.staged is None:
        return
    coming, objects, now = live.staged.files.keys(), live.store.objects, await live.save()
    above = {folder for path in coming for folder in folders_above(path)}
    differing = await live.owner.run(lambda: list(objects.difference(old, now.tree)))
    for path, _, _ in differing:
        if path in above or not coming.isdisjoint([path, *folders_above(path)]):
            raise Disturbed(path)


def _goal_of_many(live: LiveWorktree, old: str, new: Callable[[LiveWorktree], Goal | None]) -> Goal | None:
    """Return the goal if many files differ from it, and a folder next to them is not seen in the working tree."""
    goal = new(live)
    if goal is None or os.stat(live.scratch).st_dev != os.stat(live.worktree.root).st_dev:
        return None
    _, more = live.store.objects.some_difference(old, goal.picture.tree, MANY)
    return goal if more else None


def _made(live: LiveWorktree, old: str, goal: Goal) -> StagedFiles | None:
    """Make the files of a change, unless few of them are placed. Not on the store's thread."""
    objects, new = live.store.objects, goal.picture
    spared = index_only(live, old, new.tree).spared.union(goal.hidden)
    steps = [step for step in differences(objects, FileState(old), new) if step.path not in spared]
    if len(steps) <= MANY:
        return None
    rules = outside_rules(live.worktree)
    folder = tempfile.mkdtemp(prefix=STAGE, dir=live.scratch)
    files: dict[str, StagedFile] = {}
    try:
        coming = new_files(live.worktree, objects, new, steps, folder)
        with RootDir(folder) as opened, contextlib.closing(coming) as each:
            for number, file in enumerate(each):
                file.write(opened.descriptor, str(number))
                files[file.step.path] = StagedFile(str(number), file.step.after, file.oid)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return StagedFiles(folder, new.tree, dict(new.raw), files, rules)
