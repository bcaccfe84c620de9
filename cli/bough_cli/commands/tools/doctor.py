"""bough doctor"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import is_running
from bough_daemon.api.live_worktrees import LiveTrees
from bough_daemon.api.notices import MuchRemoved
from bough_daemon.api.settings import path_of, read_settings
from bough_daemon.errors import BoughError, DaemonFailed
from bough_daemon.faults import fault_of, obstacle_to
from bough_daemon.git.command import FLOOR, GitCommand, git_version
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.text import ago

from bough_cli import output
from bough_cli.connection import here, home
from bough_cli.failure import hint_of, remedy_of
from bough_cli.notices import words_of

WATCHES = "/proc/sys/fs/inotify/max_user_watches"
FEW_WATCHES = 65536
FEW_FILES = 256
FEW_BYTES = 1024 * 1024


@dataclass
class Check:
    """One check: its subject, whether it passed, the finding, and the remedy if it failed."""

    name: str
    well: bool
    found: str
    remedy: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print one JSON object per check.")] = False) -> None:
    """Check this machine and repository, and suggest fixes."""
    sick = False
    for check in _checks():
        sick |= not check.well
        if json:
            output.as_json(check)
            continue
        mark = typer.style("ok", fg=typer.colors.GREEN) if check.well else typer.style("!!", fg=typer.colors.RED)
        output.data(f"{mark}  {check.name}: {check.found}")
        if check.remedy and not check.well:
            output.data(f"    {check.remedy}")
    if sick:
        raise typer.Exit(1)


def _checks() -> Iterator[Check]:
    yield _python()
    yield _trial("git", _git, f"Install git {FLOOR[0]}.{FLOOR[1]} or newer and put it first on the PATH.")
    yield _home()
    yield _watches()
    yield _files()
    yield _daemon()
    yield _trial("settings", _settings, "Fix the file; `bough config list` shows the valid settings.")
    yield _completion()
    try:
        worktree = Worktree.find(here())
    except BoughError as failure:
        yield Check("repository", False, failure.message, hint_of(failure))
        return
    yield Check("repository", True, worktree.root)
    yield from _writable(worktree)
    store = os.path.join(worktree.common_dir, "bough", "store.git")
    if os.path.isdir(store):
        yield _trial(
            "store",
            lambda: _store(store),
            "Keep the folder and report this; `bough down --forget` lets you start over.",
        )
    if is_running(home()):
        yield from _live()


def _trial(name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, look())
    except BoughError as failure:
        return Check(name, False, failure.message, hint_of(failure) or remedy)
    except OSError as failure:
        fault = fault_of(failure)
        return Check(name, False, fault.message, remedy if isinstance(fault, DaemonFailed) else hint_of(fault))


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", sys.version_info >= (3, 11), version, "Bough needs Python 3.11 or newer.")


def _git() -> str:
    return ".".join(str(part) for part in git_version())


def _home() -> Check:
    place = home().root
    if not os.path.exists(place):
        return Check("home", True, f"{place} (created by the first `bough up`)")
    private = os.stat(place).st_mode & 0o077 == 0
    return Check("home", private and os.access(place, os.W_OK), place, f"chmod 700 {place}")


def _watches() -> Check:
    if not os.path.exists(WATCHES):
        return Check("watches", True, "no limit on this platform")
    with open(WATCHES) as limit:
        allowed = int(limit.read())
    remedy = f"sudo sysctl fs.inotify.max_user_watches={FEW_WATCHES * 8}"
    return Check("watches", allowed >= FEW_WATCHES, f"{allowed} folders can be watched", remedy)


def _files() -> Check:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    well = allowed == resource.RLIM_INFINITY or allowed >= FEW_FILES
    said = "any number of files" if allowed == resource.RLIM_INFINITY else f"{allowed} files"
    return Check("files", well, f"{said} can be open at once", "Raise the limit: `ulimit -n 8192`.")


def _writable(worktree: Worktree) -> Iterator[Check]:
    """Check that Bough can write its data, and has space for it."""
    top = os.path.join(worktree.common_dir, "bough")
    folders = [worktree.common_dir, *(folder for folder, _, _ in os.walk(top))]
    obstacle = next(filter(None, map(obstacle_to, folders)), None)
    if obstacle is not None:
        yield Check("writable", False, obstacle.message, hint_of(obstacle))
        return
    for place in (worktree.common_dir, home().root):
        if os.path.isdir(place):
            room = os.statvfs(place)
            if room.f_bavail * room.f_frsize < FEW_BYTES:
                yield Check("writable", False, f"the disk with {place} is full", "Free some space on it.")
                return
    yield Check("writable", True, top)


def _daemon() -> Check:
    place = home()
    trees = len(list(LiveTrees(place)))
    state = "running" if is_running(place) else "not running; it starts with the next command in a live working tree"
    return Check("daemon", True, f"{state}; {output.count(trees, 'working tree')} live; its log is {place.log}")


def _settings() -> str:
    settings = read_settings(home())
    return f"{path_of(home())}; {output.count(len(settings.values), 'setting')} changed"


def _completion() -> Check:
    """Check how editors reach completion; anything that differs from the user's settings fails."""
    closed = Check("completion", True, "by `bough lsp`; HTTP is closed")
    try:
        if not is_running(home()) or not read_settings(home()).number("completion.http_port"):
            return closed
        with Client(home()) as daemon:
            told = daemon.doors()
    except BoughError:
        return closed
    if told.notes:
        return Check("completion", False, "; ".join(told.notes), "Change it with `bough config`.")
    return Check("completion", True, f"by `bough lsp` and {told.http}, with the token in {told.token_file}")


def _store(path: str) -> str:
    git = GitCommand(path)
    git.run("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    branches = git.run("for-each-ref", "--format=%(refname)", "refs/heads").split()
    counted = dict(line.split(": ") for line in git.run("count-objects", "-v").decode().splitlines())
    kibibytes = int(counted["size"]) + int(counted["size-pack"]) + int(counted["size-garbage"])
    weighs = output.size(1024 * kibibytes)
    oldest = _oldest(git, os.path.dirname(os.path.dirname(path)))
    since = f", oldest snapshot {ago(oldest)}" if oldest else ""
    live = output.count(len(branches), "live branch").replace("branchs", "branches")
    return f"intact; {live}, {weighs} on disk{since}"


def _oldest(git: GitCommand, common_dir: str) -> float:
    """Return when the oldest snapshot of this user's branches was taken, in seconds since the epoch; 0: none was."""
    names = git.run("for-each-ref", "--format=%(refname:lstrip=2)", "refs/shared").decode().split()
    tips = [word for name in names for word in (f"refs/heads/{name}", f"--glob=refs/kept/{name}")]
    others = GitCommand(common_dir).run("for-each-ref", "--format=^%(objectname)")
    asked = ("log", "--format=%ct", "--grep=^Bough-Base: ", "--ignore-missing", "--stdin")
    return min(map(float, git.run(*asked, *tips, stdin=others).split()), default=0.0) if tips else 0.0


def _live() -> Iterator[Check]:
    try:
        with Client(home()) as daemon:
            told = daemon.status(here())
    except (BoughError, OSError) as failure:
        fault = fault_of(failure)
        yield Check("live", False, fault.message, hint_of(fault) or "Run `bough up`.")
        return
    count = output.count(len(told.teammates), "teammate")
    found = f"{told.member}, {count}" if told.state == "live" else told.state
    remedy = remedy_of(told) if told.failure else f"{home().log} has details."
    yield Check("live", told.state == "live", found, remedy)
    for one in told.failing:
        times = f"failed {output.count(one.failures, 'time')}, last {ago(one.failed_at)}: {one.reason}"
        yield Check(one.work, one.recovered, times, f"It is retried automatically; {home().log} says more.")
    if told.out:
        remedy = "Ask them, or start a new team with `bough invite`; your saves are recorded as before."
        yield Check("team", False, f"{told.out}, {ago(told.out_at)}", remedy)
    yield Check("network", True, f"listening on {' and '.join(told.listening) or 'nothing'}")
    for notice in (words_of(one) for one in told.notices if not isinstance(one, MuchRemoved)):
        yield Check(notice.about, False, notice.text, notice.remedy)
    for tree in told.worktrees:
        if tree.agent and not os.path.lexists(os.path.join(tree.repository, ".git")):
            remedy = f"`bough agent {tree.agent} --remove` takes it off the list; its live branch stays."
            yield Check(tree.branch, False, f"its working tree {tree.repository} was deleted", remedy)
    for mate in {mate.name: mate for mate in told.teammates}.values():
        if mate.refused:
            remedy = "Remove or rename the path that the reason names; your next snapshot leaves it out."
            yield Check(mate.name, False, f"refused your latest snapshot: {mate.refused}", remedy)
        if mate.not_taken:
            found = f"their latest snapshot was not received: {mate.not_taken}"
            yield Check(mate.name, False, found, f"Tell {mate.name} the reason; {home().log} has details.")
