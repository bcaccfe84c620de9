"""Change a working tree to another state of the files: all or nothing, without losing a byte on disk.

Every new content is prepared next to the tree first, through the user's own filters. Then each file is exchanged with
its successor in one step, so the old file is always still there to be compared with what was expected. If it differs,
because someone saved at the same instant, everything is put back.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection, Iterable
from dataclasses import replace

from bough_daemon.errors import DiskFull, InTheWay, NotPossibleNow, NotWritable
from bough_daemon.git.filters import cleaned, converted_on_disk
from bough_daemon.git.objects import EXECUTABLE, FOLDER, Objects, TreeEntry
from bough_daemon.git.paths import folder_of, folders_above
from bough_daemon.git.root_dir import RootDir, blob_id, kind_of
from bough_daemon.git.rules import is_sparse
from bough_daemon.git.worktree import Worktree
from bough_daemon.transaction.context import StagedFiles
from bough_daemon.transaction.file_state import Disturbed, FileState, FileStep, differences, is_file
from bough_daemon.transaction.swap_in import Discard, Keep, Placing, stages

NAME_LIMIT_BYTES = 255  # of every file system in common use


def apply(
    worktree: Worktree,
    objects: Objects,
    old: FileState,
    new: FileState,
    *,
    scratch: str,
    spared: Collection[str] = (),
    cwd: str = "",
    plain: Collection[str] = (),
    keep: Keep = lambda files: None,
    discard: Discard = shutil.rmtree,
    staged: StagedFiles | None = None,
) -> None:
    """Change the files from `old`, their expected state, to `new`; only paths that differ are touched.

    `scratch`: a folder that holds the replaced files until the change is complete. `spared`: paths that are left alone.
    `cwd`: the user's current folder, which stays even if it becomes empty. `plain`: paths whose bytes are known to be
    their blobs, before and after. Raises HostilePath or NotPossibleNow before anything is touched. Disturbed, and any
    failure halfway, leave the files as they were. `keep`: called with the files that could not be put back because the
    user saved them again in that moment. `discard`: called with a folder below `scratch` that is no longer needed.
    `staged`: files that were made beforehand.
    """
    steps = [step for step in differences(objects, old, new) if step.path not in spared]
    with RootDir(worktree.root) as ground:
        occupied = _occupied(worktree.root, cwd)
        _check_reachable(ground, steps)
        _check_free(steps, occupied)
        steps = _believe(worktree, objects, ground, steps, old, new, plain)
        if not steps:
            return
        try:
            near = _near(worktree.root, scratch)
            later = discard if near == scratch else shutil.rmtree  # in the working tree the user would see it
            placing = Placing(ground, objects, steps, new, keep, occupied, plain, later, staged)
            placing.carry_out(worktree, near)
        except OSError as failure:
            raise _named(failure) from failure


def in_the_way(
    worktree: Worktree, objects: Objects, old: FileState, new: FileState, also: Iterable[str] = ()
) -> FileState:
    """Return `old` with the files that are in the way of `new` and unknown to `old`, recorded byte for byte.

    They are ignored by Git, or appeared at this instant. `also`: further paths to check.
    """
    found: dict[str, TreeEntry] = {}
    coming = [step.path for step in differences(objects, old, new) if step.arrives and step.before is None]
    with RootDir(worktree.root) as ground:
        for path in dict.fromkeys(standing for one in [*coming, *also] for standing in _standing(ground, one)):
            entry = ground.record(objects, path) if objects.entry(old.tree, path) is None else None
            found |= {path: entry} if entry is not None else {}
    tree = objects.splice(old.tree, found) if found else old.tree
    return replace(old, tree=tree, raw={**old.raw, **{path: entry.oid for path, entry in found.items()}})


def unusual_modes(worktree: Worktree, objects: Objects, old: FileState, new: FileState) -> dict[str, int]:
    """Return the permission bits of the files that `new` replaces or removes, if `old` does not imply them.

    Including those of the folders around removed files.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    steps = differences(objects, old, new)
    implied = {above: FOLDER for step in steps if not step.arrives for above in folders_above(step.path)}
    implied |= {step.path: step.before.mode for step in steps if step.before is not None and step.leaves}
    modes: dict[str, int] = {}
    with RootDir(worktree.root) as ground:
        for path, kind in implied.items():
            status = ground.status(path)
            if status is not None and not stat.S_ISLNK(status.st_mode):
                bits = stat.S_IMODE(status.st_mode)
                if bits != (0o777 if kind in (EXECUTABLE, FOLDER) else 0o666) & ~umask:
                    modes[path] = bits
    return modes


def rescue(worktree: Worktree, objects: Objects, scratch: str) -> dict[str, TreeEntry]:
    """Record what a killed command left next to the tree, clear it away, and return by path what nothing else has.

    Most of it is already in the store; a save at the very moment of the kill is not.
    """
    found: dict[str, TreeEntry] = {}
    for stage, paths in [*stages(scratch), *stages(worktree.root)]:
        with RootDir(stage) as ground:
            for number, path in enumerate(paths):
                standing = ground.read(str(number))
                if standing is not None and standing[0] != FOLDER and not objects.exists(blob_id(standing[1])):
                    found[path] = TreeEntry(standing[0], objects.write_blob(standing[1]))
        shutil.rmtree(stage)
    for left in os.listdir(scratch):
        shutil.rmtree(os.path.join(scratch, left))
    return found


def _standing(ground: RootDir, path: str) -> list[str]:
    """Return what is at a path or on the way to it: one file, or everything in a folder."""
    for above in [*reversed(folders_above(path)), path]:
        status = ground.status(above)
        if status is None:
            return []
        if kind_of(status) != FOLDER:
            return [above]
    below = list(ground.files_below(path))
    inner = tuple(_inner_repositories(below))
    return [one for one in below if not f"{one}/".startswith(inner)]


def _inner_repositories(paths: Iterable[str]) -> set[str]:
    """Return the folders, each with a trailing slash, that a `.git` folder among the paths turns into repositories."""
    parts = ([*path.split("/"), ""] for path in paths)
    names = ((words, [word.lower() for word in words]) for words in parts)
    return {"/".join([*words[: lower.index(".git")], ""]) for words, lower in names if ".git" in lower}


def _named(failure: OSError) -> Exception:
    """Return the error for a failure of the file system; the files are as before."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the disk is full; nothing was changed")
    if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotPossibleNow(f"{failure.filename or 'a file'} cannot be changed: {failure.strerror}")
    return failure


def _check_reachable(ground: RootDir, steps: Iterable[FileStep]) -> None:
    """Raise NotPossibleNow if a folder cannot be written, is on another file system, or is a nested repository."""
    home = os.stat(ground.descriptor).st_dev
    checked: set[str] = set()
    for step in steps:
        if _too_long(step.path):
            raise InTheWay(f"the name of {step.path} is too long for this file system", path=step.path)
        for folder in [*folders_above(step.path), ""] if folder_of(step.path) not in checked else ():
            if folder not in checked:
                checked.add(folder)
                _check_folder(ground, folder, home)
        status = ground.status(step.path) if step.arrives else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            inner = min(_inner_repositories(ground.files_below(step.path)), default="")
            if inner:
                raise InTheWay(f"{inner.rstrip('/')} is a nested Git repository", path=inner)


def _too_long(path: str) -> bool:
    name = os.fsencode(path)
    return len(name) > NAME_LIMIT_BYTES and any(len(part) > NAME_LIMIT_BYTES for part in name.split(b"/"))


def _occupied(root: str, cwd: str) -> frozenset[str]:
    """Return the folders that a user in `cwd` must not lose: that one and its parents."""
    inside = os.path.relpath(os.path.realpath(cwd), root) if cwd else "."
    return frozenset() if inside.split(os.sep)[0] in (".", "..") else frozenset([inside, *folders_above(inside)])


def _check_free(steps: Iterable[FileStep], occupied: Collection[str]) -> None:
    """Raise NotPossibleNow if a file would replace the folder that the user is in."""
    for step in steps:
        if step.arrives and step.path in occupied:
            top = "the top folder of the working tree"
            raise InTheWay(
                f"{step.path} would become a file, and you are in that folder",
                path=step.path,
                hint=f"Run the command in {folder_of(step.path) or top}.",
            )


def _check_folder(ground: RootDir, folder: str, home: int) -> None:
    status = ground.status(folder) if folder else os.stat(ground.descriptor)
    if status is None or kind_of(status) != FOLDER:
        return
    if status.st_dev != home:
        raise InTheWay(f"{folder} is on another file system than the working tree", path=folder)
    if folder and ground.status(f"{folder}/.git") is not None:
        raise InTheWay(f"{folder} is a nested Git repository", path=folder)
    with ground.folder(folder) as here:
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=here):
            raise NotWritable(f"the folder {folder or '.'} cannot be written", path=folder)


def _near(root: str, scratch: str) -> str:
    """Return a folder on the file system of the working tree: `scratch`, or the top folder itself."""
    return scratch if os.stat(scratch).st_dev == os.stat(root).st_dev else root


def _believe(
    worktree: Worktree,
    objects: Objects,
    ground: RootDir,
    steps: list[FileStep],
    old: FileState,
    new: FileState,
    plain: Collection[str],
) -> list[FileStep]:
    """Return the necessary steps, with the exact bytes that are expected on disk.

    A file that Git converts is as expected if `git add` would create the known blob from it.
    """
    unsure = (step.path for step in steps if is_file(step.before) and step.path not in old.raw)
    unknown = [path for path in unsure if path not in plain]
    asked = [path for path in converted_on_disk(worktree, unknown) if _is_file_on(ground, path)]
    as_added = cleaned(worktree.git, asked)
    known: list[FileStep] = []
    for step in steps:
        if step.leaves and step.after is None and ground.status(step.path) is None and is_sparse(worktree):
            continue  # outside a sparse checkout Git keeps what is not on disk
        believed = step.before.oid if step.before is not None and step.leaves else None
        if step.path in old.raw:
            believed = old.raw[step.path]
        elif step.path in as_added:
            standing = ground.read(step.path)
            exact = blob_id(standing[1]) if standing is not None else None
            # `text=auto` keeps line ends that the index already has, unlike `hash-object`.
            if exact is None or believed not in (as_added[step.path], exact):
                raise Disturbed(step.path)
            believed = exact
        if step.before != step.after or new.raw.get(step.path, believed) != believed:
            known.append(replace(step, believed=believed))
    return known


def _is_file_on(ground: RootDir, path: str) -> bool:
    status = ground.status(path)
    return status is not None and stat.S_ISREG(status.st_mode)
