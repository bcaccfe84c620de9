"""The repository's settings for Bough: `.bough.toml`, which any teammate may have written."""

from __future__ import annotations

import os
import stat
import tomllib
from typing import Any

from bough_daemon.errors import BadRepositorySettings

NAME = ".bough.toml"
LIMIT_BYTES = 64_000  # some hundred times what anyone needs


def table_on_disk(folder: str, table: str) -> dict[str, Any]:
    """Return a table of the file in a folder; empty if there is none.

    Raise BadUsage if the file cannot be read: anything but a plain file (a link, a pipe, a device) is never opened.
    """
    path = os.path.join(folder, NAME)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise BadRepositorySettings(f"{NAME} is not a plain file")
        with open(path, "rb", opener=_unfollowed) as source:
            data = source.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as failure:
        raise BadRepositorySettings(f"{NAME} cannot be read: {failure.strerror}") from failure
    check_size(len(data))
    return table_in(data, table)


def check_size(size: int) -> None:
    """Raise BadUsage for a file that is too large."""
    if size > LIMIT_BYTES:
        raise BadRepositorySettings(f"{NAME} is larger than {LIMIT_BYTES // 1000} kB")


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def table_in(data: bytes, name: str) -> dict[str, Any]:
    """Return a table of the file's content; empty if there is none. Raise BadUsage if the content is not valid."""
    try:
        found = tomllib.loads(data.decode()).get(name, {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise BadRepositorySettings(f"{NAME} cannot be read: {failure}") from failure
    except RecursionError:
        raise BadRepositorySettings(f"{NAME} cannot be read: it is nested too deeply") from None
    if not isinstance(found, dict):
        raise BadRepositorySettings(f"{NAME}: [{name}] is not a table")
    return found
