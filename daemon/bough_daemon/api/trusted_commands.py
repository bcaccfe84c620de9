"""The commands from `.bough.toml` that the user allowed on this machine: any teammate may have written them.

The digest of the command and of the repository is remembered: a changed command is asked about again.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from bough_daemon.home import Home
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

MOST = 1000  # remembered commands; beyond these the oldest are dropped


def is_trusted(home: Home, repository: str, command: str) -> bool:
    """Return whether the user has agreed to run this command in a repository, named by its Git directory."""
    return _digest(repository, command) in _remembered(home)


def trust(home: Home, repository: str, command: str) -> None:
    """Remember that the user has agreed to run a command in a repository."""
    home.make()
    write_whole(home.path("trusted.json"), as_json([*_remembered(home), _digest(repository, command)][-MOST:]))


def _remembered(home: Home) -> list[str]:
    with suppress(FileNotFoundError):
        return read_record(home.path("trusted.json"), list[str])
    return []


def _digest(repository: str, command: str) -> str:
    return hashlib.sha256(os.fsencode(repository) + b"\0" + command.encode()).hexdigest()
