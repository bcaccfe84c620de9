"""What a user is told or asked while a command runs, as records. The command line has the words.

Those in `Progress` and `Question` cross the control socket: each has a message of the same name in control.proto.
"""

from __future__ import annotations

from dataclasses import dataclass

from bough_daemon.api.records import EditsOnRecord, TakenInCommits, Withheld


@dataclass(frozen=True)
class TakesIn:
    """A landing takes in what others put on the shared branch."""

    commits: list[TakenInCommits]


@dataclass(frozen=True)
class StillStaged:
    """Staged paths that did not land, with the reasons."""

    paths: list[Withheld]


@dataclass(frozen=True)
class LeftOutOfCommit:
    """Paths that the pre-commit hook added and that must not leave this machine, with the reasons."""

    paths: list[Withheld]


@dataclass(frozen=True)
class ConflictingEdits:
    """Edits made while landing that conflict with the files."""

    edits: EditsOnRecord


@dataclass(frozen=True)
class HookSkipped:
    """A hook that did not run because it may run `paths`, which teammate `by` changed. `command`: what runs it."""

    hook: str
    by: str
    paths: list[str]
    command: str


@dataclass(frozen=True)
class HookFailed:
    """A hook that failed after its command was done."""

    hook: str
    output: str


@dataclass(frozen=True)
class HopEnded:
    """A hop to a teammate that `git switch` has ended."""

    name: str


@dataclass(frozen=True)
class CommandWait:
    """Another command is changing the working tree, started `seconds` ago by `process` (0: unknown).

    `running`: the command line that it runs in its terminal; `asking`: it waits for an answer there.
    """

    command: str
    seconds: int
    process: int = 0
    running: str = ""
    asking: bool = False


@dataclass(frozen=True)
class ReadingWait:
    """A large file is being read."""

    path: str
    seconds: int


@dataclass(frozen=True)
class GitAtWork:
    """A git command that runs for `seconds`. `running`: the command line that it runs itself; empty: none."""

    command: str
    process: int
    running: str
    seconds: int


@dataclass(frozen=True)
class RecordingWait:
    """A working tree is being recorded or, with `starting`, made live. `git`: the git command that is at work."""

    root: str
    seconds: int
    starting: bool = False
    git: GitAtWork | None = None


@dataclass(frozen=True)
class DaemonWait:
    """The daemon has not answered yet; why is not known."""


@dataclass(frozen=True)
class PublishUntracked:
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


@dataclass(frozen=True)
class DaemonStarting:
    """The daemon has been started, and is not ready yet."""

    process: int
    log: str


@dataclass(frozen=True)
class DaemonHeld:
    """Another daemon holds the home, and does not answer yet."""

    lock: str
    log: str


@dataclass(frozen=True)
class DaemonEnding:
    """The daemon finishes what it is doing before it ends."""

    log: str


Launching = DaemonStarting | DaemonHeld | DaemonEnding
