"""Atomic, durable writes."""

from __future__ import annotations

import ctypes
import os
import tempfile


def write_whole(path: str, data: bytes) -> None:
    """Replace a file with `data` atomically, and sync it: after a loss of power the new content is there."""
    folder = os.path.dirname(path) or os.curdir
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(path: str) -> None:
    """Sync the names in a folder, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: str) -> None:
    """Sync everything written so far on the file system of `path`."""
    if hasattr(os, "uname") and os.uname().sysname == "Linux":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
        finally:
            os.close(descriptor)
    else:
        os.sync()
