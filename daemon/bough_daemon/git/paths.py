"""Which paths may be written in a working tree: Git's own rules, and never through a symlink.

The rules are those of `verify_path` in Git's read-cache.c with `core.protectHFS` and `core.protectNTFS` enabled on
every machine, so that a tree which one teammate can hold can be held by all.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

from bough_daemon.errors import HostilePath
from bough_daemon.git.objects import LINK

HFS_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
NTFS_GIT = re.compile(r"(\.git|git~1)[ .]*(:.*)?", re.IGNORECASE | re.DOTALL)
NTFS_MODULES = re.compile(
    r"(\.gitmodules|gitmod~[1-4]|gi7eba~[1-9]|gi7d29~[1-9])[ .]*(:.*)?", re.IGNORECASE | re.DOTALL
)
# Where files are prepared that a command is about to place; everything else ignores it.
STAGE = ".bough-stage-"
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_path(path: str, mode: int) -> None:
    """Raise HostilePath for a path that Git would refuse: outside the tree, or a disguised git directory."""
    if "\0" in path or any(part in ("", ".", "..") or _is_git(part) for part in path.split("/")):
        raise HostilePath(f"{path!r} is a path that Git rejects", path=path)
    if mode == LINK and _is_modules(path.rsplit("/", 1)[-1]):
        raise HostilePath(f"{path!r} may not be a symlink", path=path)


@lru_cache(maxsize=16384)
def _is_git(part: str) -> bool:
    plain = part.translate(HFS_IGNORED)
    return any(NTFS_GIT.fullmatch(piece) is not None for piece in (plain, *part.split("\\")))


def _is_modules(part: str) -> bool:
    return part.translate(HFS_IGNORED).lower() == ".gitmodules" or NTFS_MODULES.fullmatch(part) is not None


class Blocked(Exception):
    """Something that is not a folder is on the way to a path; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def open_folder(root: int, folder: str, make: bool = False) -> int:
    """Open a folder below the open folder `root` and return its descriptor, without following any symlink.

    `make`: create what is missing. Raise FileNotFoundError if something is missing, Blocked if something that is not a
    folder is in its place.
    """
    at = os.dup(root)
    parts = folder.split("/") if folder else []
    try:
        for number, part in enumerate(parts):
            if make:
                try:
                    os.mkdir(part, dir_fd=at)
                except FileExistsError:
                    pass
            try:
                below = os.open(part, FOLDER_FLAGS, dir_fd=at)
            except (NotADirectoryError, OSError) as failure:
                if isinstance(failure, FileNotFoundError | PermissionError):
                    raise
                raise Blocked("/".join(parts[: number + 1])) from failure
            os.close(at)
            at = below
    except BaseException:
        os.close(at)
        raise
    return at


def folder_of(path: str) -> str:
    """Return the folder that a path is in; the top folder is the empty string."""
    return path.rpartition("/")[0]


def folders_above(path: str) -> list[str]:
    """Return the folders that a path is in, the nearest first, without the top folder."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
