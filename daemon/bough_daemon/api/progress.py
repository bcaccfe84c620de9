"""What a user is told or asked while a command runs, as records. The command line has the words.

Those in `Progress` and `Question` cross the control socket: each has a message of the same name in control.proto.
"""

from __future__ import annotations

from bough_daemon.api.records import EditsOnRecord, TakenInCommits, Withheld
from bough_daemon.system.plain_record import PlainRecord


class TakesIn(PlainRecord):
    """A landing takes in what others put on the shared branch."""

    commits: list[TakenInCommits]


class StillStaged(PlainRecord):
    """Staged paths that did not land, with the reasons."""

    paths: list[Withheld]


class LeftOutOfCommit(PlainRecord):
    """Paths that the pre-commit hook added and that must not leave this machine, with the reasons."""

    paths: list[Withheld]


class ConflictingEdits(PlainRecord):
    """Edits made while landing that conflict with the files."""

    edits: EditsOnRecord


class HookSkipped(PlainRecord):
    """A hook that did not run because it may run `paths`, which teammate `by` changed. `command`: what runs it."""

    hook: str
    by: str
    paths: list[str]
    command: str


class HookFailed(PlainRecord):
    """A hook that failed after its command was done."""

    hook: str
    output: str


class HopEnded(PlainRecord):
    """A hop to a teammate that `git switch` has ended."""

    name: str


class CommandWait(PlainRecord):
    """Another command is changing the working tree, started `seconds` ago by `process` (0: unknown).

    `running`: the command line that it runs in its terminal; `asking`: it waits for an answer there.
    """

    command: str
    seconds: int
    process: int = 0
    running: str = ""
    asking: bool = False


class ReadingWait(PlainRecord):
    """A large file is being read."""

    path: str
    seconds: int


class GitAtWork(PlainRecord):
    """A git command that runs for `seconds`. `running`: the command line that it runs itself; empty: none."""

    command: str
    process: int
    running: str
    seconds: int


class RecordingWait(PlainRecord):
    """A working tree is being recorded or, with `starting`, made live. `git`: the git command that is at work."""

    root: str
    seconds: int
    starting: bool = False
    git: GitAtWork | None = None


class DaemonWait(PlainRecord):
    """The daemon has not answered yet; why is not known."""


class PublishUntracked(PlainRecord):
    """Whether files that nobody has committed yet may be published on a branch."""

    paths: list[str]
    branch: str


Progress = (
    TakesIn
    | StillStaged
    | LeftOutOfCommit
    | ConflictingEdits
    | HookSkipped
    | HookFailed
    | HopEnded
    | CommandWait
    | ReadingWait
    | RecordingWait
    | DaemonWait
)
Question = PublishUntracked


# What the command line itself waits for before it can ask the daemon.


class DaemonStarting(PlainRecord):
    """The daemon has been started, and is not ready yet."""

    process: int
    log: str


class DaemonHeld(PlainRecord):
    """Another daemon holds the home, and does not answer yet."""

    lock: str
    log: str


class DaemonEnding(PlainRecord):
    """The daemon finishes what it is doing before it ends."""

    log: str


Launching = DaemonStarting | DaemonHeld | DaemonEnding
