"""Connect with the daemon from the user's current folder, starting it if the user would expect that."""

from __future__ import annotations

import os
import shlex

from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, is_running
from bough_daemon.api.live_worktrees import LiveTrees
from bough_daemon.errors import DaemonNotRunning, FolderRemoved, NotARepository
from bough_daemon.git.worktree import Worktree, live_root
from bough_daemon.home import Home
from bough_daemon.system.environment import UserEnvironment, taken

from bough_cli.progress import tell


def here() -> str:
    """Return the user's current folder; raise NotPossibleNow if it was removed meanwhile."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        name = os.environ.get("PWD", "")
        there = name
        while there and not os.path.isdir(there):
            there = os.path.dirname(there) if there != "/" else ""
        raise FolderRemoved(
            f"the folder you are in was removed{f': {name}' if name else ''}",
            hint=f"Run `cd {shlex.quote(there or '/')}`, then try again.",
        ) from None


def home() -> Home:
    """Return the user's home of Bough."""
    return Home.from_environment(os.environ)


def connect(*, start: bool = False) -> Client:
    """Return a connection to the daemon.

    With `start`, or if this working tree is remembered as live, the daemon is started if necessary; else raise
    DaemonNotRunning.
    """
    place = home()
    if start and live_root(here()) is None:
        _find_here()
    if start or (not is_running(place) and live_root(here()) in LiveTrees(place)):
        ensure_running(place, tell)
    elif not is_running(place):
        raise DaemonNotRunning("the daemon is not running, and this working tree is not live")
    return Client(place, taken(os.environ), tell)


def _find_here() -> None:
    """Raise the reason if there is no repository around the user's folder, before anything is started."""
    try:
        Worktree.find(here(), UserEnvironment(taken(os.environ)))
    except NotARepository as nothing:
        bound = [name for name in ("GIT_DIR", "GIT_WORK_TREE") if name in os.environ]
        if bound:
            hint = "Bough looks for `.git` in the current folder and those above; run the command in the working tree."
            raise NotARepository(f"{nothing.message}, and Bough ignores {bound[0]}", hint=hint) from None
        raise
