"""Show a failure on the screen, and return its exit code."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import traceback

import typer
from bough_daemon import errors
from bough_daemon.api.records import Status
from bough_daemon.faults import fault_of
from bough_daemon.home import Home
from bough_daemon.system.text import printable

OUTPUT_FAILS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF}
BREAK = re.compile(r"\s*[\n\t]\s*")  # Typer lists one choice per line
INDENT = "    "
NOT_NOW, USAGE, CONFLICTS, NO_DAEMON, OUR_FAULT = 1, 2, 3, 4, 70

TABLE: dict[type[errors.BoughError], tuple[int, str]] = {
    errors.NotARepository: (NOT_NOW, "Run it inside a Git repository, or create one with `git init`."),
    errors.BareRepository: (NOT_NOW, "Clone it, and run the command in the clone."),
    errors.NoCommitYet: (NOT_NOW, "Create one: `git commit --allow-empty -m start`."),
    errors.UnsupportedRepository: (NOT_NOW, ""),
    errors.GitTooOld: (NOT_NOW, "Install a newer git and put it first on the PATH."),
    errors.Stopping: (NOT_NOW, ""),
    errors.NotLive: (NOT_NOW, "Run `bough up` to make it live."),
    errors.StoreOwned: (NOT_NOW, "Stop the other daemon with `BOUGH_HOME={owner} bough down --all`, or use that home."),
    errors.StoreGone: (NOT_NOW, "Move it back, or run `bough down` and then `bough up` to start with an empty one."),
    errors.StoreDamaged: (NOT_NOW, "Run `bough doctor`."),
    errors.ForeignRepository: (NOT_NOW, ""),
    errors.NotPermitted: (NOT_NOW, "Check its owner and permissions: `ls -ld {path}`."),
    errors.ReadOnlyDisk: (NOT_NOW, "Mount it read-write, or work in a clone on a writable disk."),
    errors.PathTooLong: (NOT_NOW, "Move it to a folder that is less deep, or shorten the names of the folders."),
    errors.LimitReached: (
        NOT_NOW,
        "Raise the limit (`ulimit -n 8192`), then start the daemon again: `bough down --all` and `bough up`.",
    ),
    errors.SystemFailed: (NOT_NOW, "Check that the disk or mount is available and intact."),
    errors.GitFailed: (NOT_NOW, ""),
    errors.FilterFailed: (NOT_NOW, "`git config filter.{filter}.smudge` shows the filter; find out why it fails here."),
    errors.GitHangs: (
        NOT_NOW,
        "Find out what it waits for: a filter, a named pipe in place of a file, a network drive.",
    ),
    errors.GitTooSlow: (
        NOT_NOW,
        "`git commit-graph write --reachable` speeds Git up in a large history; a branch that takes as long even then "
        "may have been made to do so.",
    ),
    errors.BranchMoved: (NOT_NOW, "Run `bough status` to see who moved it, then try again."),
    errors.DiskFull: (NOT_NOW, "Free some disk space, then save again; your files are unchanged."),
    errors.BadName: (
        USAGE,
        "Choose one with `--as NAME`, such as alice, alice+desktop or alice.b: lower case, at most one `+`.",
    ),
    errors.NameTaken: (NOT_NOW, "Choose another: `bough join TICKET --as NAME`, or `bough rename NAME`."),
    errors.UnknownMember: (NOT_NOW, "Run `bough status` to see the teammates."),
    errors.BadTicket: (NOT_NOW, "Ask a teammate for a new one; `bough invite` creates it."),
    errors.BadFingerprint: (USAGE, "Ask for it again, group by group; `bough team` lists those of the members."),
    errors.UnknownFingerprint: (
        NOT_NOW,
        "The person who read it to you uses another key; find out why first. `bough team` lists the members.",
    ),
    errors.KeyNotOpened: (NOT_NOW, "Check the passphrase and the file, then try again; nothing was changed."),
    errors.OtherKeyHere: (
        NOT_NOW,
        "`--yes` replaces it and keeps the old one in a file; or use another BOUGH_HOME.",
    ),
    errors.DaemonRunning: (NOT_NOW, "Stop it with `bough down --all`, then try again."),
    errors.BadPassphrase: (USAGE, "Several words that belong to no sentence are best."),
    errors.NoPassphrase: (USAGE, "Put it in a file and name that with `--passphrase-file FILE`."),
    errors.UnknownTicket: (NOT_NOW, "Run `bough invites --all` to see the tickets and their ids."),
    errors.TooManyTickets: (NOT_NOW, "Revoke some with `bough invites --revoke ID`, or use one with `--uses N`."),
    errors.UnrelatedHistory: (NOT_NOW, "Join from a clone of your teammate's repository."),
    errors.PeerUnreachable: (NOT_NOW, "Check that your teammate's machine is on and reachable, then try again."),
    errors.PeerRefused: (NOT_NOW, "Ask the teammate who invited you for a new ticket."),
    errors.PortTaken: (NOT_NOW, "Choose another with `bough invite --listen HOST:PORT`."),
    errors.NotPossibleNow: (NOT_NOW, ""),
    errors.TooMuchTalk: (NOT_NOW, "Wait a minute, then try again."),
    errors.NothingToComment: (USAGE, "Name a file and a line of it, such as `stats.py:12` or `stats.py:12-15`."),
    errors.UnknownComment: (NOT_NOW, "Run `bough comments --all` to see the comments with their ids."),
    errors.CodeChanged: (NOT_NOW, "Make the change by hand, or `bough reply` to ask for a new suggestion."),
    errors.UnknownPath: (
        NOT_NOW,
        "Run `bough log` to see the snapshots, `bough git ls-tree -r NAME` to see the files.",
    ),
    errors.UnknownSnapshot: (NOT_NOW, "Run `bough log` to see the snapshots."),
    errors.NothingToUndo: (NOT_NOW, ""),
    errors.NothingToRedo: (
        NOT_NOW,
        "Run `bough redo` directly after `bough undo`; another command in between ends it.",
    ),
    errors.HookRefused: (NOT_NOW, "Fix the problem that the hook reports, then try again."),
    errors.PushRefused: (NOT_NOW, "Nothing was changed here. Fix the problem that the remote reports, then try again."),
    errors.ConflictUnseen: (
        NOT_NOW,
        "`git sparse-checkout add FOLDER` checks it out, or `git update-index --no-skip-worktree --no-assume-unchanged "
        "FILE` removes its mark; then try again.",
    ),
    errors.LandConflict: (NOT_NOW, "Run `bough merge {branch}`, resolve the conflicts, then land again."),
    errors.WouldRemove: (
        NOT_NOW,
        "Review it with `bough merge --preview` or `bough git diff`; `--yes` goes ahead anyway.",
    ),
    errors.WouldBringBack: (
        NOT_NOW,
        "Run `bough merge main` in the branch that still has them to drop them; `--yes` brings them back.",
    ),
    errors.WouldRun: (
        NOT_NOW,
        "Review the changes first; then `--yes` runs the hooks, and `--no-verify` lands without them.",
    ),
    errors.CheckedOutElsewhere: (NOT_NOW, "Land from that worktree, or switch it to another branch first."),
    errors.NoServiceManager: (NOT_NOW, "Any `bough` command in a live working tree starts the daemon."),
    errors.ServiceRefused: (NOT_NOW, "Nothing was installed. Fix what the system reports, then try again."),
    errors.NothingFound: (NOT_NOW, "`git grep` searches your files, `git log -S TEXT` your commits."),
    errors.NotInstalled: (NOT_NOW, "Run `pip install 'bough[{extra}]'`."),
    errors.WorktreeNotMade: (NOT_NOW, "Fix what Git reports, then try again; `git worktree list` shows them all."),
    errors.UnknownAgent: (NOT_NOW, "Run `bough agent` to list the agents."),
    errors.AgentAtWork: (NOT_NOW, "Stop it first: `kill {process}`."),
    errors.BadAgentName: (USAGE, "Choose one such as fix-login."),
    errors.HomeUnusable: (NOT_NOW, "Set BOUGH_HOME to a writable folder."),
    errors.BadSetting: (USAGE, "Fix the file; `bough config list` shows the valid settings."),
    errors.DaemonNotRunning: (NO_DAEMON, "Run `bough up` in a repository to start it."),
    errors.DaemonFailed: (OUR_FAULT, "This is a bug in Bough. Your snapshots are safe; see the log at {log}."),
    errors.BadUsage: (USAGE, ""),
    errors.TerminalGone: (NOT_NOW, "Run it again; nothing was changed."),
    errors.InAnotherTeam: (
        NOT_NOW,
        "Leave that team with `bough leave`, then join again; `bough team` lists its members.",
    ),
    errors.AlreadyInTeam: (NOT_NOW, "`bough team` lists the members."),
    errors.InviterGone: (NOT_NOW, "Ask a current member for a new ticket."),
    errors.RemovedFromTeam: (
        NOT_NOW,
        "Ask a member to run `bough remove --restore NAME`, or join with another BOUGH_HOME.",
    ),
    errors.NotInTeam: (NOT_NOW, "Join again with a new ticket, under another name."),
    errors.NoSuchTeam: (NOT_NOW, "`bough hub status` lists the teams of the hub."),
    errors.HubRuns: (NOT_NOW, "End it first with `bough hub stop`, or leave it running."),
    errors.NotAdmitted: (NOT_NOW, "`bough team` shows the members and who invited them."),
    errors.CannotVouch: (NOT_NOW, "Run `bough team` to see who is in the team."),
    errors.AlreadyRemoved: (NOT_NOW, "`bough remove --restore NAME` readmits them."),
    errors.NothingShared: (NOT_NOW, "`bough status` shows why; your snapshots are safe here."),
    errors.SharingPaused: (NOT_NOW, "Share again: `bough resume`. Your snapshots are safe here."),
    errors.NameChosen: (NOT_NOW, "To use another name, run `bough rename NAME`."),
    errors.NothingToLand: (NOT_NOW, "`bough status` shows what differs; `bough save` records what is on disk now."),
    errors.UnlandedWork: (NOT_NOW, "Land it with `bough land -m MESSAGE`."),
    errors.WouldCarryAlong: (NOT_NOW, "Remove it from your commits, or run `bough allow {path}`."),
    errors.MarkersLeft: (NOT_NOW, "Resolve the conflict in {path}, then try again."),
    errors.NoSharedBranch: (
        NOT_NOW,
        "Push it first (`git push -u origin main`), or name the branch in .bough.toml: `[land]`, `branch = 'main'`.",
    ),
    errors.NotPublished: (NOT_NOW, "Ignore them or `git add` some, then land again."),
    errors.FilesKeepChanging: (
        NOT_NOW,
        "Stop the program that writes them (a build, a formatter), then run the command again.",
    ),
    errors.InTheMiddle: (NOT_NOW, "Wait until it is finished; `bough status` shows that."),
    errors.EditsConflict: (
        NOT_NOW,
        "Run `bough save`, then `bough merge NAME` to resolve it with conflict markers, or undo the edits.",
    ),
    errors.CommandAtWork: (NOT_NOW, "Wait until it is finished, then try again."),
    errors.CutShort: (NOT_NOW, "Undo it first with `bough undo`."),
    errors.StillHopped: (NOT_NOW, "Your own files from before the hop are only in Bough's data."),
    errors.HeadMoved: (NOT_NOW, "Run the command again."),
    errors.BranchHasMoved: (NOT_NOW, "`git reflog {branch}` shows where it was; move it back, then try again."),
    errors.InTheWay: (NOT_NOW, "Move {path} aside first."),
    errors.NotWritable: (NOT_NOW, "Make it writable: `chmod u+w {path}`."),
    errors.NoStay: (NOT_NOW, "`bough stay` lists the branches that you stay on."),
    errors.NothingSolid: (NOT_NOW, "Ask {name} to run `bough solid`, or do it without `--solid`."),
    errors.NothingToRestore: (NOT_NOW, "Run `bough log` to see the snapshots, and name one with `--from`."),
    errors.NothingSuggested: (NOT_NOW, "`bough config list` shows the settings of completion."),
    errors.IndexLocked: (NOT_NOW, "Wait until it is finished; if no Git command is running, remove {path}."),
    errors.Unresolved: (NOT_NOW, "Resolve it and `git add {path}`, or run `bough undo`."),
    errors.OperationUnderWay: (NOT_NOW, "Finish or abort it first."),
    errors.ForeignGitDirectory: (
        NOT_NOW,
        "`git config --global safe.bareRepository explicit` lets git ignore such folders; then try again.",
    ),
    errors.OwnBranch: (NOT_NOW, "`bough status` shows your branch and those of your teammates."),
    errors.BranchExists: (NOT_NOW, "Choose another name, or `git switch {branch}`."),
    errors.NeedsYes: (NOT_NOW, "Add `--yes` if you mean it."),
    errors.FolderRemoved: (NOT_NOW, ""),
    errors.InsideHook: (NOT_NOW, "A hook may run `bough status`, `save`, `log` and `git`."),
    errors.NotHeldYet: (NOT_NOW, "The snapshot is safe here; `bough status` shows whether they accept a newer one."),
    errors.NoModel: (NOT_NOW, "Add one: `bough model add granite-4.0-micro-base`."),
    errors.BadRepositorySettings: (USAGE, "Fix .bough.toml; the README lists its settings."),
    errors.NotText: (USAGE, ""),
    errors.NoPathNamed: (USAGE, "Name files or folders, or use `--all`."),
    errors.NoSetting: (USAGE, "Run `bough config list` to see all settings."),
    errors.BadValue: (USAGE, "Run `bough config list` to see the valid values."),
    errors.OutsideWorktree: (USAGE, "Name a path below the top folder of this working tree."),
    errors.NoSuchPosition: (USAGE, "Lines and columns count from 1."),
    errors.GitMayWrite: (USAGE, ""),
    errors.BadAddress: (USAGE, "Write it as HOST:PORT, like 192.168.1.5:22000 or [fe80::1]:22000."),
    errors.BadBranchName: (USAGE, "See `git help check-ref-format` for the rules."),
    errors.NoMessage: (USAGE, "Give it with `-m MESSAGE`."),
    errors.TooMuchToPurge: (NOT_NOW, "Purge fewer paths at a time, or a more specific text."),
    errors.TextTooShort: (USAGE, "Give a longer part of it, or name the path."),
    errors.InOwnHistory: (
        NOT_NOW,
        "Remove it from the history with `git filter-repo` first, then purge again.",
    ),
    errors.RecordingStopped: (NOT_NOW, "Run the command again."),
}


def show(error: BaseException, advice: str | None = None) -> int:
    """Print what went wrong on stderr and return the exit code; `advice`: the remedy for a wrong command line."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else NOT_NOW
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, (typer.Abort, KeyboardInterrupt)):
        _say("", "Stopped.")
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return 141
    if isinstance(error, errors.BoughError):
        return _show_ours(error)
    if isinstance(error, typer.TyperException) or hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "bough"
        message = BREAK.sub(" ", error.format_message()).rstrip(".")
        return _report(message, "", advice or f"Run `{where} --help`.", USAGE)
    if isinstance(error, OSError) and error.filename and not isinstance(fault_of(error), errors.DaemonFailed):
        return _show_ours(fault_of(error))
    if isinstance(error, OSError) and error.errno is not None:
        # An OSError without a file concerns the terminal or the pipe, or a limit of the system.
        where = error.filename or ("the output" if error.errno in OUTPUT_FAILS else "")
        return _report(f"{where}: {error.strerror}" if where else str(error.strerror), "", "", NOT_NOW)
    logging.getLogger(__name__).debug("unexpected", exc_info=error)
    told = "".join(traceback.format_exception(error)) if os.environ.get("BOUGH_TRACEBACK") else ""
    _say("", told.rstrip())
    return _report(
        f"{type(error).__name__}: {error}",
        "",
        "This is a bug in Bough; set BOUGH_TRACEBACK=1 for a traceback.",
        OUR_FAULT,
    )


def _show_ours(error: errors.BoughError) -> int:
    code, _ = _row_of(error)
    cause = str(error.__cause__) if error.__cause__ is not None and str(error.__cause__) != error.message else ""
    return _report(error.message, cause, hint_of(error), code)


def trouble_of(told: Status) -> errors.BoughError:
    """Return the error that a status reports."""
    kind: type[errors.BoughError] = getattr(errors, told.failure, errors.BoughError)
    return kind(told.state, **told.facts)


def remedy_of(told: Status) -> str:
    """Return the remedy for the trouble that a status reports."""
    trouble = trouble_of(told)
    git_fails = isinstance(trouble, errors.GitFailed)
    return hint_of(trouble) or ("Git fails here too; see the output of `git status`." if git_fails else "")


def hint_of(error: errors.BoughError) -> str:
    """Return the remedy for an error."""
    log = Home.from_environment(os.environ).log
    return error.facts.get("hint") or _row_of(error)[1].format_map(_Facts({"log": log} | error.facts))


def _row_of(error: errors.BoughError) -> tuple[int, str]:
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), (NOT_NOW, ""))


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


def _report(message: str, cause: str, hint: str, code: int) -> int:
    _say("Error", message)
    _say("Caused by", cause)
    _say("Hint", hint)
    return code


def _say(label: str, text: str) -> None:
    if text:
        colours = {"Error": typer.colors.RED, "Hint": typer.colors.CYAN}
        head = typer.style(f"{label}: ", fg=colours.get(label), bold=True) if label else ""
        typer.echo(head + "\n".join(map(_shown, text.splitlines())), err=True)


def _shown(line: str) -> str:
    """Return a line as a terminal may show it; Git starts some of its lines with a tab."""
    text = line.lstrip("\t")
    return INDENT * (len(line) - len(text)) + printable(text)
