"""The words for what a user is told and asked while a command runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bough_daemon.api import progress
from bough_daemon.api.records import Withheld
from bough_daemon.system.text import first_few, printable, taken_in

from bough_cli import output

STOP = "press Ctrl-C here to stop waiting"
SHOWN = 20  # untracked files that are named before they are published


def tell(told: progress.Progress | progress.Launching) -> None:
    """Show the user a message about progress."""
    output.talk(words_of(told))


def words_of(told: progress.Progress | progress.Launching) -> str:
    """Return the words for a message about progress."""
    return WORDS[type(told)](told)


def question(asked: progress.Question) -> tuple[str, str]:
    """Return what the user should know before a question, and the question."""
    count = output.count(len(asked.paths), "untracked file")
    shown = [f"  {printable(path)}" for path in asked.paths[:SHOWN]]
    shown += [f"  and {len(asked.paths) - SHOWN} more"] if len(asked.paths) > SHOWN else []
    told = "\n".join([f"{count} would be published for the first time:", *shown])
    return told, f"Publish {'them' if len(asked.paths) > 1 else 'it'} on {asked.branch}?"


def _takes_in(told: progress.TakesIn) -> str:
    blocks = (taken_in(one.by, [(made.commit, made.title) for made in one.commits], one.files) for one in told.commits)
    return "\n".join(line for block in blocks for line in block)


def _still_staged(told: progress.StillStaged) -> str:
    return f"not landed, still staged: {_reasons(told.paths)}"


def _left_out(told: progress.LeftOutOfCommit) -> str:
    return f"left out of the commit, though the pre-commit hook added it: {_reasons(told.paths)}"


def _reasons(paths: list[Withheld]) -> str:
    return ", ".join(f"{printable(one.path)} ({one.reason})" for one in paths)


def _conflicting_edits(told: progress.ConflictingEdits) -> str:
    listed = ", ".join(map(printable, told.edits.paths))
    return f"edits made while landing conflict with your files in {listed}; `{told.edits.command}` restores them"


def _hook_skipped(told: progress.HookSkipped) -> str:
    changed = f"{told.by} changed {first_few(told.paths)}, which it may run"
    return f"the {told.hook} hook did not run: {changed}; `{told.command}` runs it"


def _hook_failed(told: progress.HookFailed) -> str:
    return f"the {told.hook} hook failed: {told.output or 'it printed nothing'}"


def _hop_ended(told: progress.HopEnded) -> str:
    return f"`git switch` ended the hop to {told.name}; `bough undo` returns to where you were before it"


def _command_wait(told: progress.CommandWait) -> str:
    doing = f", and is running `{told.running}`" if told.running else ""
    doing = ", and is waiting for an answer there" if told.asking else doing
    end = f"Ctrl-C there or `kill {told.process}` ends it; " if told.process else ""
    started = f"started {told.seconds} s ago in another terminal{doing}"
    return f"waiting for `bough {told.command}`, {started}; {end}{STOP}"


def _reading_wait(told: progress.ReadingWait) -> str:
    return f"waiting for {printable(told.path)}, a large file that has been read for {told.seconds} s now; {STOP}"


def _recording_wait(told: progress.RecordingWait) -> str:
    doing = "made live" if told.starting else "recorded"
    git = f": running {_git(told.git)}" if told.git is not None else ""
    return f"waiting while {printable(told.root)} is being {doing}, for {told.seconds} s now{git}; {STOP}"


def _git(at_work: progress.GitAtWork) -> str:
    inner = f", which runs `{at_work.running}`" if at_work.running else ""
    return f"`git {at_work.command}` (process {at_work.process}{inner}), for {at_work.seconds} s now"


def _daemon_wait(_: progress.DaemonWait) -> str:
    return f"still waiting for the daemon; {STOP}"


def _daemon_starting(told: progress.DaemonStarting) -> str:
    return f"waiting for the daemon (process {told.process}) to start; its log is {told.log}"


def _daemon_held(told: progress.DaemonHeld) -> str:
    return f"waiting for another daemon, which holds {told.lock} and does not answer yet; its log is {told.log}"


def _daemon_ending(told: progress.DaemonEnding) -> str:
    return f"waiting for the daemon to finish what it is doing; its log is {told.log}"


WORDS: dict[type, Callable[[Any], str]] = {
    progress.TakesIn: _takes_in,
    progress.StillStaged: _still_staged,
    progress.LeftOutOfCommit: _left_out,
    progress.ConflictingEdits: _conflicting_edits,
    progress.HookSkipped: _hook_skipped,
    progress.HookFailed: _hook_failed,
    progress.HopEnded: _hop_ended,
    progress.CommandWait: _command_wait,
    progress.ReadingWait: _reading_wait,
    progress.RecordingWait: _recording_wait,
    progress.DaemonWait: _daemon_wait,
    progress.DaemonStarting: _daemon_starting,
    progress.DaemonHeld: _daemon_held,
    progress.DaemonEnding: _daemon_ending,
}
