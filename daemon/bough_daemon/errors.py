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
    """The repository has no commit, so a live branch has nothing to be based on."""


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
    """There was no room to write; the last snapshot is kept, and the next save tries again."""


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


class BadFingerprint(BoughError):
    """What was given as a fingerprint has not the form of one, or a typing error in it."""


class UnknownFingerprint(BoughError):
    """No member of the team, and no former one, has a key of this fingerprint."""


class KeyNotOpened(BoughError):
    """An exported key was not read: another passphrase, another kind of file, or damage. Nothing was changed."""


class OtherKeyHere(BoughError):
    """A home has a key already, and another one was to be imported. Nothing was changed."""


class DaemonRunning(BoughError):
    """Something cannot be changed while the daemon is running."""


class BadPassphrase(BoughError):
    """A passphrase protects too little."""


class NoPassphrase(BoughError):
    """There is nobody to ask for a passphrase, and none was given."""


class UnknownTicket(BoughError):
    """No ticket that was made here is called so, or several are."""


class TooManyTickets(BoughError):
    """So many tickets of this member are valid that no more are made."""


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
    """No Bough command is left that could be undone."""


class NothingToRedo(BoughError):
    """No command was undone, or another came after it."""


class HookRefused(BoughError):
    """A hook of the user's said no; nothing was changed."""


class PushRefused(BoughError):
    """The remote refused the push; nothing was changed here."""


class LandConflict(BoughError):
    """A landing conflicts with the shared branch; nothing was changed."""


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


class TerminalGone(NotPossibleNow):
    """The terminal that a command was typed in went away while the command needed it."""


class InAnotherTeam(NotPossibleNow):
    """The repository is in a team with others already."""


class AlreadyInTeam(NotPossibleNow):
    """The home is in the team already."""


class InviterGone(NotPossibleNow):
    """The member who made the ticket has left the team or was removed."""


class RemovedFromTeam(NotPossibleNow):
    """The home was removed from the team, so its key cannot join again."""


class NotInTeam(NotPossibleNow):
    """The home is no longer in the team."""


class NoSuchTeam(NotPossibleNow):
    """The hub is in no team of that id, or in several."""


class HubRuns(NotPossibleNow):
    """A hub is running in that folder already."""


class NotAdmitted(NotPossibleNow):
    """A member's admission does not count."""


class AlreadyRemoved(NotPossibleNow):
    """The member was removed before."""


class NothingShared(NotPossibleNow):
    """Nothing of this machine is shared, so nobody can hold it."""


class SharingPaused(NothingShared):
    """The user has paused sharing."""


class NameChosen(NotPossibleNow):
    """The member has another name already."""


class NothingToLand(NotPossibleNow):
    """The shared branch has all of it."""


class UnlandedWork(NotPossibleNow):
    """There is work that has not landed."""


class WouldCarryAlong(NotPossibleNow):
    """The shared branch would bring along what stays at home."""


class MarkersLeft(NotPossibleNow):
    """A file still has conflict markers."""


class NoSharedBranch(NotPossibleNow):
    """There is no branch to land on."""


class NotPublished(NotPossibleNow):
    """The user did not want to publish untracked files."""


class FilesKeepChanging(NotPossibleNow):
    """Files changed again and again while a command placed others."""


class InTheMiddle(NotPossibleNow):
    """A teammate is in the middle of a Git operation, and none of their earlier states is here."""


class EditsConflict(NotPossibleNow):
    """The user's edits conflict with what a command would place."""


class CommandAtWork(NotPossibleNow):
    """Another command is at work in the working tree."""


class CutShort(NotPossibleNow):
    """An earlier command was cut short."""


class StillHopped(NotPossibleNow):
    """The files are of a teammate's branch."""


class HeadMoved(NotPossibleNow):
    """HEAD or a file moved while a command was at work."""


class BranchHasMoved(NotPossibleNow):
    """A Git branch is no longer where a command left it."""


class InTheWay(NotPossibleNow):
    """Something that a command may not replace is where a file belongs."""


class NotWritable(NotPossibleNow):
    """A folder that a file belongs in cannot be written."""


class NoStay(NotPossibleNow):
    """The working tree does not stay on that branch."""


class NothingToRestore(NotPossibleNow):
    """Nothing else is on record for the paths."""


class NothingSuggested(NotPossibleNow):
    """Completion keeps out of the file, or is off."""


class IndexLocked(NotPossibleNow):
    """Another Git command holds the index."""


class Unresolved(NotPossibleNow):
    """A conflict is not resolved yet."""


class OperationUnderWay(NotPossibleNow):
    """Git is in the middle of an operation."""


class ForeignGitDirectory(NotPossibleNow):
    """A teammate's files contain a Git directory."""


class OwnBranch(NotPossibleNow):
    """The command is about the branch that the user is on."""


class BranchExists(NotPossibleNow):
    """There is a Git branch of that name."""


class NoServiceManager(NotPossibleNow):
    """The system has nothing that starts services for a user."""


class ServiceRefused(NotPossibleNow):
    """The system's service manager did not do what it was asked."""


class NothingFound(NotPossibleNow):
    """What was looked for is in no snapshot."""


class NotInstalled(NotPossibleNow):
    """A command needs a part of Bough that is an extra."""


class WorktreeNotMade(NotPossibleNow):
    """Git could not create or remove a further working tree."""


class UnknownAgent(NotPossibleNow):
    """There is no agent of that name."""


class AgentAtWork(NotPossibleNow):
    """The command of an agent is still running."""


class NeedsYes(NotPossibleNow):
    """An irreversible command needs confirmation, and nobody can be asked."""


class FolderRemoved(NotPossibleNow):
    """The folder that the command was typed in was removed."""


class InsideHook(NotPossibleNow):
    """A hook of a command runs one that has to wait for it."""


class NotHeldYet(NotPossibleNow):
    """A teammate does not hold a snapshot that was waited for."""


class NoModel(NotPossibleNow):
    """No model is chosen."""


class BadRepositorySettings(BadUsage):
    """The repository's `.bough.toml` cannot be used."""


class NotText(BadUsage):
    """A word of the command is not UTF-8 text."""


class NoPathNamed(BadUsage):
    """The command needs paths."""


class NoSetting(BadUsage):
    """There is no such setting."""


class BadValue(BadUsage):
    """A setting cannot have that value."""


class OutsideWorktree(BadUsage):
    """A path is outside the working tree."""


class NoSuchPosition(BadUsage):
    """A file has no such line or column."""


class GitMayWrite(BadUsage):
    """`bough git` only reads."""


class BadAddress(BadUsage):
    """An address is not of the form HOST:PORT."""


class BadAgentName(BadUsage):
    """No agent can have that name."""


class BadBranchName(BadUsage):
    """Git does not take that name for a branch."""


class NoMessage(BadUsage):
    """A landed commit needs a message."""


class TooMuchTalk(NotPossibleNow):
    """A member says more than the others take from one; nothing was said."""


class NothingToComment(BadUsage):
    """There is no such line that a comment could be about."""


class UnknownComment(NotPossibleNow):
    """No comment has that id, or more than one has."""


class CodeChanged(NotPossibleNow):
    """The code that a suggestion is for is no longer what it was; nothing was changed."""


class TooMuchToPurge(NotPossibleNow):
    """More is to be purged than one member can have purged."""


class TextTooShort(BadUsage):
    """A text to purge is so short that it is in too many files."""


class InOwnHistory(NotPossibleNow):
    """The content is in the user's own Git history."""


class RecordingStopped(NotPossibleNow):
    """Recording was stopped or begun again while a command waited for it."""
