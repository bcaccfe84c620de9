"""Move files without ever overwriting one: two names are exchanged, or a name is taken only while it is free.

Linux (renameat2) and macOS (renameatx_np) do both in one step. Where the file system cannot, hard links come close: a
file that another program renames into place in the microseconds between two steps may then be missed.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class DirEntry:
    """A name in an open folder."""

    folder: int
    name: str


def _native() -> tuple[Callable[[DirEntry, DirEntry, int], None], int, int] | None:
    """Return (rename with flags, flag to exchange, flag not to replace), or None if the system has none."""
    library = ctypes.CDLL(None, use_errno=True)
    for symbol, exchange_flag, keep_flag in (("renameat2", 2, 1), ("renameatx_np", 2, 4)):
        function = getattr(library, symbol, None)
        if function is not None:
            function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

            def rename(one: DirEntry, other: DirEntry, flags: int, call: Callable[..., int] = function) -> None:
                if call(one.folder, os.fsencode(one.name), other.folder, os.fsencode(other.name), flags) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), one.name, None, other.name)

            return rename, exchange_flag, keep_flag
    return None


NATIVE = _native()


def exchange(one: DirEntry, other: DirEntry) -> None:
    """Exchange two existing names, files or folders."""
    if NATIVE is not None:
        rename, flag, _ = NATIVE
        try:
            rename(one, other, flag)
            return
        except OSError as failure:
            if failure.errno not in UNSUPPORTED:
                raise
    aside = one.name + ".aside"
    os.link(other.name, aside, src_dir_fd=other.folder, dst_dir_fd=one.folder, follow_symlinks=False)
    os.rename(one.name, other.name, src_dir_fd=one.folder, dst_dir_fd=other.folder)
    os.rename(aside, one.name, src_dir_fd=one.folder, dst_dir_fd=one.folder)


def put(source: DirEntry, target: DirEntry) -> None:
    """Move `source` to `target`, or raise FileExistsError and leave both unchanged."""
    if NATIVE is not None:
        rename, _, flag = NATIVE
        try:
            rename(source, target, flag)
            return
        except OSError as failure:
            if failure.errno not in UNSUPPORTED:
                raise
    os.link(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False)
    os.unlink(source.name, dir_fd=source.folder)
