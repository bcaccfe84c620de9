"""Clean up what a killed daemon leaves in its store.

A store has one owner, who holds its lock. So anything unfinished in it when it is opened is abandoned: locks of
references, objects and packs that were being written, scratch folders. A lock left in place would block its reference
forever.
"""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

LOCK = re.compile(r".+\.lock")  # of a reference, of packed references, of the configuration: Git's and libgit2's
WRITTEN = re.compile(r"\.?tmp[-_].+|pack_git2_.+|.+\.lock|\.new-.+")  # objects and packs, and their lists
ANYTHING = re.compile(r"(?s).*")
SIDES = re.compile(r"ours|theirs")  # of a merge, while Git makes it
OWN = re.compile(r"(\.new|new|quarantine)-.+")  # files that replace others, and temporary stores and objects
TRIES = 5  # to remove a folder in which a child of the killed daemon still writes; then it is left until the next start
ABANDONED_SECONDS = 3600  # writing an object never takes this long: an older one was abandoned, though the owner lives


def clear_leftovers(folder: str, store: str) -> list[str]:
    """Remove everything unfinished in a store that has just got its owner; return the paths, relative to `folder`.

    `folder`: Bough's folder, which contains `store`, the bare repository.
    """
    refs, objects = os.path.join(store, "refs"), os.path.join(store, "objects")
    found = [*_named(folder, OWN), *_named(store, LOCK), *_named(store, OWN), *_named(refs, SIDES)]
    found += _named(os.path.join(store, "info"), OWN)
    found += [*_below(refs, LOCK), *_below(objects, WRITTEN)]
    found += _named(os.path.join(folder, "spool"), ANYTHING)  # objects on their way into the store
    return [_removed(entry, folder) for entry in found]


def clear_skeleton(folder: str) -> None:
    """Remove a folder that contains folders only, at any depth; leave one with a file in it as it is."""
    found = [(path, files) for path, _, files in os.walk(folder, topdown=False)]
    if not any(files for _, files in found):
        for path, _ in found:
            with suppress(OSError):  # something arrived there meanwhile
                os.rmdir(path)


def clear_abandoned(folder: str, store: str) -> list[str]:
    """Remove objects whose writing failed long ago in a store that is in use; return the relative paths."""
    before = time.time() - ABANDONED_SECONDS
    found = list(_below(os.path.join(store, "objects"), WRITTEN))
    return [_removed(entry, folder) for entry in found if _written_at(entry) < before]


def _written_at(entry: os.DirEntry[str]) -> float:
    """Return when a file was written last; without end if it has just been finished, and has another name now."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return math.inf


def _named(folder: str, pattern: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(folder) if pattern.fullmatch(entry.name))


def _below(folder: str, pattern: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
    pending = [folder]
    while pending:
        for entry in _entries(pending.pop()):
            if pattern.fullmatch(entry.name):
                yield entry
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name != "owner.lock"]
    except FileNotFoundError:
        return []


def _removed(entry: os.DirEntry[str], folder: str) -> str:
    remove: Callable[[str], object] = shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink
    for _ in range(TRIES):
        try:
            remove(entry.path)
        except FileNotFoundError:
            pass  # a child of the killed daemon is cleaning up, too
        except OSError as failure:
            if failure.errno != errno.ENOTEMPTY:
                raise
        if not os.path.lexists(entry.path):
            break
    return os.path.relpath(entry.path, folder)
