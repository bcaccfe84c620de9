"""Parse the words after a command: a live branch first, then paths, as with Git."""

from __future__ import annotations

import os

from bough_daemon.api.client import Client
from bough_daemon.errors import UnknownMember
from bough_daemon.git.worktree import live_root
from bough_daemon.system.text import printable

from bough_cli.connection import here


def branch_and_paths(daemon: Client, name: str, paths: list[str]) -> tuple[str, list[str]]:
    """Return the named live branch (empty: none), and the paths from the top folder.

    A word that names no live branch is a path.
    """
    if name and not _is_branch(daemon, name):
        name, paths = "", [name, *paths]
    place = os.path.realpath(here())
    return name, [os.path.relpath(os.path.join(place, path), live_root(place)) for path in paths]


def check_known(paths: list[str], *, found: bool) -> None:
    """Raise UnknownMember if a word names neither a live branch nor a path with any snapshot."""
    root = live_root(here()) or here()
    if not found and paths and not any(os.path.lexists(os.path.join(root, path)) for path in paths):
        name = printable(paths[0])
        raise UnknownMember(f"{name} is not a live branch, and no snapshot changed such a path", name=paths[0])


def _is_branch(daemon: Client, name: str) -> bool:
    try:
        daemon.log(here(), name, 1)
    except UnknownMember:
        return False
    return True
