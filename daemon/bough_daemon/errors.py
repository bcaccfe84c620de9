"""What can go wrong, named for what happened.

Every error carries its facts in `facts`, so that it can cross the control socket and be shown by the command line.
The message is one sentence for the person at the keyboard, without a full stop; what to do about it is the command
line's to say.
"""

from __future__ import annotations


class BoughError(Exception):
    """Anything Bough refuses or fails at; nothing of the user's was changed unless a subclass says otherwise."""

    def __init__(self, message: str, **facts: str) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


# The repository.


class NotARepository(BoughError):
    """There is no Git working tree here."""


class BareRepository(BoughError):
    """The repository has no working tree that could be live."""


class ForeignRepository(BoughError):
    """The repository belongs to another user, and Git refuses it for that."""


class NoCommitYet(BoughError):
    """The repository has no commit, so a live branch would have nothing to stand on."""


class UnsupportedRepository(BoughError):
    """The repository uses a Git feature that Bough cannot work with."""


class GitTooOld(BoughError):
    """The git on the PATH is older than the floor, or there is none."""


class GitFailed(BoughError):
    """A git command failed; its words are in the message."""


class GitHangs(GitFailed):
    """Nothing happened in a git command any more; it was ended, with all that it had started."""


class FilterFailed(GitFailed):
    """A filter of the user's, which is required, cannot make a file; nothing was changed."""


class Stopping(BoughError):
    """Recording is being stopped here, so no git command is started any more."""


class NotLive(BoughError):
    """The repository is not live here."""


# The store.


class StoreOwned(BoughError):
    """Another daemon owns this repository's store."""


class StoreDamaged(BoughError):
    """The store lacks an object that a live branch needs."""


class StoreGone(BoughError):
    """The store was moved away or removed while its repository was live; nothing is recorded until it is back."""


class BranchMoved(BoughError):
    """Another writer advanced the branch first; nothing was written."""


class DiskFull(BoughError):
    """There was no room to write; the last snapshot stands, and the next save tries again."""


# The machine. None of these is Bough's doing; what was recorded is kept, and the next save tries again.


class NotPermitted(BoughError):
    """The user who runs the daemon may not read or write something."""


class ReadOnlyDisk(BoughError):
    """Something has to be written on a file system that can only be read."""


class PathTooLong(BoughError):
    """A path is longer than the system takes."""


class LimitReached(BoughError):
    """The system gives no more open files, memory, processes or watched folders."""


class SystemFailed(BoughError):
    """The system failed at reading or writing: a damaged disk, a network drive that is away."""


# Names and the team.


class BadName(BoughError):
    """A member's name is not of the form that Bough and Git allow."""


class NameTaken(BoughError):
    """The team has a member of this name already."""


class UnknownMember(BoughError):
    """No member of the team, and no live branch, has this name."""


class BadTicket(BoughError):
    """The ticket is cut short, altered, expired or already used."""


class UnrelatedHistory(BoughError):
    """The two repositories share no commit."""


class PeerUnreachable(BoughError):
    """No address of the peer answered."""


class PeerRefused(BoughError):
    """The peer answered and said no, or is not who it should be."""


class PortTaken(BoughError):
    """The address to listen on is in use."""


class HostilePack(BoughError):
    """A received pack is too large, damaged, incomplete, or moves what it may not; nothing of it was kept."""


# Commands that change the user's files.


class HostilePath(BoughError):
    """A path that Git's own rules refuse, or that leads outside the working tree."""


class NotPossibleNow(BoughError):
    """The command does not fit the state that the working tree is in."""


class UnknownPath(BoughError):
    """No such path in that snapshot."""


class UnknownSnapshot(BoughError):
    """No such snapshot in that timeline."""


class NothingToUndo(BoughError):
    """No Bough command is left that could be taken back."""


class NothingToRedo(BoughError):
    """No command was undone, or another came after it."""


class HookRefused(BoughError):
    """A hook of the user's said no; nothing was changed."""


class PushRefused(BoughError):
    """The remote refused the push; nothing was changed here."""


class LandConflict(BoughError):
    """What would land conflicts with what is on the shared branch; nothing was changed."""


class WouldRemove(BoughError):
    """A merge would take away lines or files that its author never touched; nothing was changed."""


class WouldBringBack(BoughError):
    """A merge would bring back commits that a forced push took out of the shared branch; nothing was changed."""


class WouldRun(BoughError):
    """Hooks may run code that others sent, which nobody here has looked at; nothing was changed."""


class CheckedOutElsewhere(BoughError):
    """The shared branch is checked out in another worktree."""


# The daemon.


class HomeUnusable(BoughError):
    """The folder for keys, teams and logs cannot be made or written."""


class BadSetting(BoughError):
    """The user's `config.toml` says what no setting means; it was not changed."""


class DaemonNotRunning(BoughError):
    """No daemon answers, and the command does not start one."""


class DaemonFailed(BoughError):
    """The daemon failed in a way that it should not; its log says more."""


class BadUsage(BoughError):
    """The command's words are off."""
