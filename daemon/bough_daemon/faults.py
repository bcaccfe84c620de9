"""What a failure means: a fault of the machine, with its own message and remedy, or a bug of Bough's."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shlex

from bough_daemon.errors import (
    BoughError,
    DaemonFailed,
    DiskFull,
    GitTooOld,
    LimitReached,
    NotPermitted,
    PathTooLong,
    ReadOnlyDisk,
    SystemFailed,
)

FULL = {errno.ENOSPC, errno.EDQUOT}
REFUSED = {errno.EACCES, errno.EPERM}
LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
# Errors that a disk, a network drive or a mount may report at any time. Any other number is a bug of Bough's.
SYSTEM = {
    *(errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ELOOP, errno.EBUSY, errno.ETXTBSY, errno.ENOLCK),
    *(errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EFBIG, errno.EOVERFLOW, errno.EMLINK, errno.EOPNOTSUPP),
    *(errno.ENOSYS, errno.EXDEV, errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO),
}
KNOWN = FULL | REFUSED | LIMITS | SYSTEM | {errno.EROFS, errno.ENAMETOOLONG}


def fault_of(failure: BaseException) -> BoughError:
    """Return the error for any failure; a DaemonFailed if it is a bug."""
    if isinstance(failure, BoughError):
        return failure
    made = _of_the_system(failure) if isinstance(failure, OSError) else None
    if made is None and isinstance(failure, MemoryError):
        made = LimitReached(
            "the machine is out of memory", hint="Close a program that uses a lot of memory, then try again."
        )
    return made or DaemonFailed(f"{type(failure).__name__}: {failure}".removesuffix(": "))


def _of_the_system(failure: OSError) -> BoughError | None:
    number, path, said = failure.errno or _number_in(str(failure)), failure.filename, failure.strerror or ""
    if isinstance(failure, FileNotFoundError) and path == "git":
        return GitTooOld("git is not on the PATH; Bough needs git 2.39 or newer")
    if number not in KNOWN:
        return None
    name = os.fsdecode(path) if isinstance(path, str | bytes) else _path_in(str(failure))
    if number in FULL | LIMITS and said.startswith("inotify"):
        return watch_limit(said)
    if number in FULL:
        return DiskFull("the disk is full")
    if number in REFUSED:
        return not_permitted(name, failure)
    words = f"{name}: {os.strerror(number)}" if name else said or str(failure)
    if number == errno.EROFS:
        return read_only(name, words)
    if number == errno.ENAMETOOLONG:
        return PathTooLong(words, path=name)
    if number in LIMITS:
        return LimitReached(words)
    return SystemFailed(words, path=name)


def _number_in(words: str) -> int | None:
    """Return the error number at the end of a libgit2 message."""
    return next((number for number in KNOWN if os.strerror(number) in words), None)


def _path_in(words: str) -> str:
    """Return the path in a libgit2 message; empty for none."""
    found = re.search(r"'(/[^']+)'", words)
    return found[1] if found is not None else ""


def watch_limit(words: str) -> LimitReached:
    """Return an error saying that the kernel's limit on watches or queues is reached, with the setting for it."""
    setting = "max_user_instances=1024" if "instance" in words else "max_user_watches=524288"
    return LimitReached(f"the kernel's limit is reached: {words}", hint=f"sudo sysctl fs.inotify.{setting}")


def read_only(path: str, words: str = "") -> ReadOnlyDisk:
    """Return an error saying that the file system of `path` is read-only."""
    return ReadOnlyDisk(words if not path else f"{path} is on a read-only file system", path=path)


def not_permitted(path: str, failure: OSError | None = None) -> NotPermitted:
    """Return an error saying that this user may not access a path, naming its owner if that is another."""
    folder = _closed_by_another(path) if path else None
    if folder is not None:
        owner, me = _name_of(os.lstat(folder).st_uid), _name_of(os.geteuid())
        hint = f"`sudo chown -R {me} {shlex.quote(folder)}`, if it should be yours."
        return NotPermitted(f"permission denied: {folder} belongs to {owner}", path=folder, hint=hint)
    return NotPermitted(f"permission denied: {path}" if path else str(failure), path=path)


def _closed_by_another(path: str) -> str | None:
    """Return the topmost of the folders around `path`, or the path, from which on another user owns them all."""
    found, at = None, os.path.abspath(path)
    while at != os.path.dirname(at):
        try:
            foreign = os.lstat(at).st_uid != os.geteuid()
        except OSError:
            foreign = found is not None
        if not foreign and (found is not None or os.path.lexists(at)):
            break
        found, at = at if foreign else found, os.path.dirname(at)
    return found if found is not None and os.path.lexists(found) else None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def obstacle_to(folder: str) -> BoughError | None:
    """Return what prevents this user from writing in a folder, or None."""
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return None
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return read_only(folder)
    except OSError as failure:
        return fault_of(failure)
    return not_permitted(folder)
