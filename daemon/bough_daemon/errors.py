"""Every error, named for what happened.

Each carries its facts in `facts`, so that it can cross the control socket and be shown by the command line. The message
is one sentence for the user, without a full stop; the command line adds the remedy.
"""

from __future__ import annotations


class BoughError(Exception):
    """Anything that Bough refuses or fails at; the user's repository is unchanged unless a subclass says otherwise."""

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
    """The repository belongs to another user, so Git refuses it."""


class NoCommitYet(BoughError):
    """The repository has no commit that a live branch could be based on."""


class UnsupportedRepository(BoughError):
    """The repository uses a Git feature that Bough cannot work with."""


class GitTooOld(BoughError):
    """The git on the PATH is older than the minimum, or there is none."""


class GitFailed(BoughError):
    """A git command failed; its output is in the message."""


class GitHangs(GitFailed):
    """A git command made no progress; it was killed with everything that it had started."""


class GitTooSlow(GitHangs):
    """A git command took longer than it may, and was ended."""


class FilterFailed(GitFailed):
    """A required filter of the user's could not produce a file; nothing was changed."""


class Stopping(BoughError):
    """Recording is being stopped here, so no more git commands are started."""


class NotLive(BoughError):
    """The repository is not live here."""


# The store.


class StoreOwned(BoughError):
    """Another daemon owns this repository's store."""


class StoreDamaged(BoughError):
    """The store lacks an object that a live branch needs."""


class StoreGone(BoughError):
    """The store was moved or removed while its repository was live; nothing is recorded until it is back."""


class BranchMoved(BoughError):
    """Another writer advanced the branch first; nothing was written."""


class DiskFull(BoughError):
    """There was no space to write; the last snapshot is kept, and the next save tries again."""


# The machine. These are not Bough's faults; what was recorded is kept, and the next save tries again.


class NotPermitted(BoughError):
    """The user who runs the daemon lacks a permission."""


class ReadOnlyDisk(BoughError):
    """A file system that must be written is read-only."""


class PathTooLong(BoughError):
    """A path is longer than the system allows."""


class LimitReached(BoughError):
    """The system provides no more open files, memory, processes or watched folders."""


class SystemFailed(BoughError):
    """The system failed to read or write: a damaged disk, or an unavailable network drive."""


# Names and the team.


class BadName(BoughError):
    """A member's name does not have the form that Bough and Git allow."""


class NameTaken(BoughError):
    """The team already has a member with this name."""


class UnknownMember(BoughError):
    """No member of the team, and no live branch, has this name."""


class BadTicket(BoughError):
    """The ticket is truncated, altered, expired or already used."""


class BadFingerprint(BoughError):
    """A fingerprint is malformed or has a typing error."""


class UnknownFingerprint(BoughError):
    """No current or former member of the team has a key with this fingerprint."""


class KeyNotOpened(BoughError):
    """An exported key was not read: wrong passphrase, wrong kind of file, or damage. Nothing was changed."""


class OtherKeyHere(BoughError):
    """The home already has another key than the one to import. Nothing was changed."""


class DaemonRunning(BoughError):
    """Something cannot be changed while the daemon is running."""


class BadPassphrase(BoughError):
    """A passphrase is too weak."""


class NoPassphrase(BoughError):
    """A passphrase is needed, and there is no one to ask."""


class UnknownTicket(BoughError):
    """No ticket that was created here has this id, or several have."""


class TooManyTickets(BoughError):
    """A member has too many valid tickets to create another."""


class UnrelatedHistory(BoughError):
    """The two repositories share no commit."""


class PeerUnreachable(BoughError):
    """No address of the peer answered."""


class PeerRefused(BoughError):
    """The peer refused, or is not who it should be."""


class PortTaken(BoughError):
    """The address to listen on is in use."""


class HostilePack(BoughError):
    """A received pack is too large, damaged, incomplete, or moves refs that it must not; nothing of it was kept."""


# Commands that change the user's files.


class HostilePath(BoughError):
    """A path that Git rejects, or that leads outside the working tree."""


class NotPossibleNow(BoughError):
    """The command is not possible in the current state of the working tree."""


class UnknownPath(BoughError):
    """The snapshot has no such path."""


class UnknownSnapshot(BoughError):
    """The timeline has no such snapshot."""


class NothingToUndo(BoughError):
    """There is no Bough command left to undo."""


class NothingToRedo(BoughError):
    """No command was undone, or another one came after it."""


class HookRefused(BoughError):
    """A hook of the user's failed; nothing was changed."""


class PushRefused(BoughError):
    """The remote refused the push; nothing was changed here."""


class ConflictUnseen(BoughError):
    """A merge conflicts in a file that Git does not look at: outside a sparse checkout, or marked skip-worktree."""


class LandConflict(BoughError):
    """A landing conflicts with the shared branch; nothing was changed."""


class WouldRemove(BoughError):
    """A merge would remove lines or files that its author never touched; nothing was changed."""


class WouldBringBack(BoughError):
    """A merge would bring back commits that a forced push removed from the shared branch; nothing was changed."""


class WouldRun(BoughError):
    """Hooks may run code from others that nobody here has reviewed; nothing was changed."""


class CheckedOutElsewhere(BoughError):
    """The shared branch is checked out in another worktree."""


# The daemon.


class HomeUnusable(BoughError):
    """The folder for keys, teams and logs cannot be created or written."""


class BadSetting(BoughError):
    """The user's `config.toml` has an unknown setting or an invalid value; it was not changed."""


class DaemonNotRunning(BoughError):
    """No daemon answers, and the command does not start one."""


class DaemonFailed(BoughError):
    """The daemon failed unexpectedly; see its log."""


class BadUsage(BoughError):
    """The command's arguments are wrong."""


class TerminalGone(NotPossibleNow):
    """The terminal that a command was typed in was closed while the command needed it."""


class InAnotherTeam(NotPossibleNow):
    """The repository is already in a team with others."""


class AlreadyInTeam(NotPossibleNow):
    """The home is already in the team."""


class InviterGone(NotPossibleNow):
    """The member who made the ticket has left the team or was removed."""


class RemovedFromTeam(NotPossibleNow):
    """The home was removed from the team, so its key cannot join again."""


class NotInTeam(NotPossibleNow):
    """The home is no longer in the team."""


class NoSuchTeam(NotPossibleNow):
    """The hub is in no team with that id, or in several."""


class HubRuns(NotPossibleNow):
    """A hub is already running in that folder."""


class NotAdmitted(NotPossibleNow):
    """A member's admission does not count."""


class AlreadyRemoved(NotPossibleNow):
    """The member was already removed."""


class CannotVouch(NotPossibleNow):
    """A member cannot vouch for another one's new key."""


class NothingShared(NotPossibleNow):
    """Nothing is shared from this machine, so nobody can hold it."""


class SharingPaused(NothingShared):
    """The user has paused sharing."""


class NameChosen(NotPossibleNow):
    """The member already has another name."""


class NothingToLand(NotPossibleNow):
    """The shared branch already has everything."""


class UnlandedWork(NotPossibleNow):
    """There is work that has not landed."""


class WouldCarryAlong(NotPossibleNow):
    """The shared branch would include what must stay on this machine."""


class MarkersLeft(NotPossibleNow):
    """A file still has conflict markers."""


class NoSharedBranch(NotPossibleNow):
    """There is no branch to land on."""


class NotPublished(NotPossibleNow):
    """The user declined to publish untracked files."""


class FilesKeepChanging(NotPossibleNow):
    """Files kept changing while a command placed others."""


class InTheMiddle(NotPossibleNow):
    """A teammate has a Git operation in progress, and none of their earlier states is here."""


class EditsConflict(NotPossibleNow):
    """The user's edits conflict with what a command would place."""


class CommandAtWork(NotPossibleNow):
    """Another command is running in the working tree."""


class CutShort(NotPossibleNow):
    """An earlier command was interrupted."""


class StillHopped(NotPossibleNow):
    """The files show a teammate's branch."""


class HeadMoved(NotPossibleNow):
    """HEAD or a file moved while a command was running."""


class BranchHasMoved(NotPossibleNow):
    """A Git branch is no longer where a command left it."""


class InTheWay(NotPossibleNow):
    """Something that a command must not replace is where a file belongs."""


class NotWritable(NotPossibleNow):
    """A folder that a file belongs in cannot be written."""


class NothingSolid(NotPossibleNow):
    """A member has marked no state of their branch as solid, or not one that is here."""


class NoStay(NotPossibleNow):
    """The branch is not one that the working tree stays on."""


class NothingToRestore(NotPossibleNow):
    """No other version is recorded for the paths."""


class NothingSuggested(NotPossibleNow):
    """Completion is off, or suggests nothing in this file."""


class IndexLocked(NotPossibleNow):
    """Another Git command holds the index."""


class Unresolved(NotPossibleNow):
    """There is an unresolved conflict."""


class OperationUnderWay(NotPossibleNow):
    """A Git operation is in progress."""


class ForeignGitDirectory(NotPossibleNow):
    """A teammate's files contain a Git directory."""


class OwnBranch(NotPossibleNow):
    """The command names the branch that the user is on."""


class BranchExists(NotPossibleNow):
    """There is already a Git branch with that name."""


class NoServiceManager(NotPossibleNow):
    """The system has no service manager for users."""


class ServiceRefused(NotPossibleNow):
    """The system's service manager refused."""


class NothingFound(NotPossibleNow):
    """No snapshot contains what was searched."""


class NotInstalled(NotPossibleNow):
    """A command needs an optional part of Bough that is not installed."""


class WorktreeNotMade(NotPossibleNow):
    """Git could not create or remove a working tree."""


class UnknownAgent(NotPossibleNow):
    """There is no agent with that name."""


class AgentAtWork(NotPossibleNow):
    """The command of an agent is still running."""


class NeedsYes(NotPossibleNow):
    """An irreversible command needs confirmation, and there is no one to ask."""


class FolderRemoved(NotPossibleNow):
    """The folder that the command was typed in was removed."""


class InsideHook(NotPossibleNow):
    """A hook of a command runs another command that would have to wait for it."""


class NotHeldYet(NotPossibleNow):
    """A teammate does not hold a snapshot that was waited for."""


class NoModel(NotPossibleNow):
    """No model is chosen."""


class BadRepositorySettings(BadUsage):
    """The repository's `.bough.toml` cannot be used."""


class NotText(BadUsage):
    """An argument of the command is not UTF-8 text."""


class NoPathNamed(BadUsage):
    """The command needs paths."""


class NoSetting(BadUsage):
    """There is no such setting."""


class BadValue(BadUsage):
    """The value is not valid for the setting."""


class OutsideWorktree(BadUsage):
    """A path is outside the working tree."""


class NoSuchPosition(BadUsage):
    """A file has no such line or column."""


class GitMayWrite(BadUsage):
    """`bough git` only reads."""


class BadAddress(BadUsage):
    """An address is not of the form HOST:PORT."""


class BadAgentName(BadUsage):
    """The name is not valid for an agent."""


class BadBranchName(BadUsage):
    """Git rejects the name as a branch name."""


class NoMessage(BadUsage):
    """A landed commit needs a message."""


class TooMuchTalk(NotPossibleNow):
    """A member writes more than the others accept from one; nothing was said."""


class NothingToComment(BadUsage):
    """There are no such lines to comment on."""


class UnknownComment(NotPossibleNow):
    """No comment has that id, or more than one has."""


class CodeChanged(NotPossibleNow):
    """The code that a suggestion is for has changed; nothing was changed."""


class TooMuchToPurge(NotPossibleNow):
    """One member cannot have this much purged."""


class TextTooShort(BadUsage):
    """A text to purge is so short that too many files contain it."""


class InOwnHistory(NotPossibleNow):
    """The content is in the user's own Git history."""


class RecordingStopped(NotPossibleNow):
    """Recording was stopped or restarted while a command waited for it."""
