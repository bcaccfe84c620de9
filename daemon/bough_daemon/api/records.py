"""The daemon's answers to the command line and editors: plain records, as they cross the control socket."""

from __future__ import annotations

from msgspec import field

from bough_daemon.api.notices import MergeNote, Notice
from bough_daemon.system.failing import Failing
from bough_daemon.system.plain_record import PlainRecord


class Up(PlainRecord):
    """A working tree that is live. `already`: whether it was before."""

    repository: str
    member: str
    branch: str
    tip: str
    already: bool


class Withheld(PlainRecord):
    """A path that stays on this machine, and why."""

    path: str
    reason: str


class Solid(PlainRecord):
    """A snapshot that its member marked as solid. `at`: seconds since the epoch."""

    tip: str
    at: float
    text: str


class WouldLand(PlainRecord):
    """What a state has that the shared branch lacked at the last fetch: commits, and files in total.

    `more_files`: there are more files than `files` lists. `added`, `removed`: lines; both 0 if they were not counted.
    """

    commits: int = 0
    files: list[str] = field(default_factory=list)
    more_files: bool = False
    added: int = 0
    removed: int = 0


class TeammateStatus(PlainRecord):
    """A teammate's live branch as it is known here. `changed_at`: seconds since the epoch.

    `refused`: why they refused my newest snapshot. `not_taken`: why their newest snapshot is not here. `operation`: the
    Git operation in progress there. `more_files`: more files have changed than `files` lists. `through`: the teammates
    through whom they are reached, if not directly. `offline_since`: when they were last connected; 0: not since the
    daemon started, or they are connected. `unreachable`: why they cannot be reached, with its `remedy`.

    While the files here show their branch: `ahead` is how many of their snapshots are missing here, and `has_moved`
    whether their base differs from HEAD here. `guest_of`: the branch whose guest they are. `guest_rule`: whether
    they fold this branch's edits if it is their guest: `fold`, `ask` (they have yet to decide) or `off`. `hub`: a
    member without a working tree, who keeps every branch. `sharing_paused_at`: when they paused sharing; 0: not
    paused, as far as is known. `would_land`: what their branch would land; None: unknown. `since_merge`: how many
    snapshots they have made since the state that was merged here; None: as far as is known, none was.
    """

    name: str
    branch: str
    tip: str
    tree: str
    connected: bool
    changed_at: float
    files: list[str] = field(default_factory=list)
    more_files: bool = False
    refused: str = ""
    not_taken: str = ""
    operation: str = ""
    through: list[str] = field(default_factory=list)
    offline_since: float = 0.0
    unreachable: str = ""
    remedy: str = ""
    solid: Solid | None = None
    ahead: int = 0
    guest_of: str = ""
    guest_rule: str = "fold"
    has_moved: bool = False
    hub: bool = False
    sharing_paused_at: float = 0.0
    would_land: WouldLand | None = None
    since_merge: int | None = None


class StayedBranch(PlainRecord):
    """A branch that is kept folded into the files. `held`: why it is not folded at the moment; empty: it is.

    `solid`: only states that were marked as solid are folded; `waits`: why there is nothing to fold yet.
    """

    name: str
    held: str = ""
    solid: bool = False
    waits: str = ""


class Stayed(PlainRecord):
    """The branches that are kept folded into the files of a working tree."""

    branches: list[StayedBranch] = field(default_factory=list)


class Guest(PlainRecord):
    """A guest here, or one about whom there is a decision. `rule`: `fold`, `ask` or `off`; `is_here`: a guest now."""

    branch: str
    rule: str
    is_here: bool = False


class Guests(PlainRecord):
    """The guests of a working tree. `setting`: the value of `together.guests`."""

    setting: str
    guests: list[Guest] = field(default_factory=list)


class PausedFile(PlainRecord):
    """A file of which each side of a fold keeps its own version, with the reason. `branch`: the other side."""

    branch: str
    path: str
    reason: str


class HeldFold(PlainRecord):
    """A branch that is not folded at the moment, with the reason."""

    branch: str
    reason: str


class LandedStatus(PlainRecord):
    """A member's last landing on a shared branch of a team without a remote."""

    branch: str
    commit: str
    member: str
    at: float


class Status(PlainRecord):
    """The status of one working tree. `head`: the user's branch; empty: HEAD is detached.

    `more_files`: more files have changed than `files` lists. `failure`: the kind of error that prevents recording,
    empty: none; `facts`: its facts. `out`: why this member is no longer in the team, since `out_at` (seconds since
    the epoch); empty: they are in it. `copies`: branches of former teammates that are still here. `listening`: the
    addresses that are open to the network. `notices`: what else the user should know. `worktrees`: this member's
    other working trees. `comments`: open comments on this branch; `new_comments`: what teammates wrote there, or in
    threads of the user's, and the user has not been shown. `solid`: the last snapshot marked as solid. `hop_kind`:
    of the hop to `hopped_to`: `together`, `follow`, `still`, or `ended` if edits here no longer fold into that
    branch. `guests`: the branches whose edits fold into the files here. `waiting_guests`, `guests_kept_out`: guests
    whose edits are not folded, as the user has yet to decide, or has decided. `paused`, `held`: what is not folded.
    `detached`: files that were edited here while following a branch. `stays`: the branches kept folded into the
    files. `sharing_paused_at`: when this member paused sharing; 0: not paused.

    `shared_branch`: where work lands, on the remote `shared_remote` unless that is empty; empty: unknown. It is
    `behind` commits ahead of HEAD, and `would_land` is what it lacks. `operation`: the Git operation in progress here;
    `conflicts`: the number of unmerged paths in the index.
    """

    repository: str
    member: str
    branch: str
    tip: str
    tree: str
    shared_tip: str
    shared_tree: str
    state: str
    base: str
    head: str
    changed_at: float
    hopped_to: str
    withheld: list[Withheld] = field(default_factory=list)
    teammates: list[TeammateStatus] = field(default_factory=list)
    landed: list[LandedStatus] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    more_files: bool = False
    failing: list[Failing] = field(default_factory=list)
    failure: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    out: str = ""
    out_at: float = 0.0
    copies: list[str] = field(default_factory=list)
    listening: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    worktrees: list[WorktreeStatus] = field(default_factory=list)
    comments: int = 0
    new_comments: int = 0
    solid: Solid | None = None
    hop_kind: str = ""
    guests: list[str] = field(default_factory=list)
    waiting_guests: list[str] = field(default_factory=list)
    guests_kept_out: list[str] = field(default_factory=list)
    paused: list[PausedFile] = field(default_factory=list)
    held: list[HeldFold] = field(default_factory=list)
    detached: list[str] = field(default_factory=list)
    stays: list[StayedBranch] = field(default_factory=list)
    sharing_paused_at: float = 0.0
    shared_branch: str = ""
    shared_remote: str = ""
    behind: int = 0
    would_land: WouldLand | None = None
    operation: str = ""
    conflicts: int = 0


class WorktreeStatus(PlainRecord):
    """Another working tree of this member. Times are seconds since the epoch; 0: unknown.

    `agent`: the agent that it was created for; empty: none. `command`: what was started for it last; `runs`: whether
    that is still running; `ended` and `code`: when and how it ended. `would_land`: None: unknown.
    """

    branch: str
    repository: str
    live: bool
    tip: str = ""
    tree: str = ""
    changed_at: float = 0.0
    files: list[str] = field(default_factory=list)
    more_files: bool = False
    hopped_to: str = ""
    agent: str = ""
    command: str = ""
    runs: bool = False
    ended: float = 0.0
    code: int | None = None
    would_land: WouldLand | None = None


class AgentMade(PlainRecord):
    """An agent with its working tree. `is_new`: it was just created. `git_branch`: the branch that it is on.

    `port`: the first of its `ports` ports. `copied`: the paths copied. `run`: what `.bough.toml` wants to run.
    """

    name: str
    repository: str
    is_new: bool
    git_branch: str
    port: int
    ports: int
    database: str
    copied: list[str] = field(default_factory=list)
    run: str = ""


class AgentRemoved(PlainRecord):
    """An agent whose working tree was removed. `kept`: its Git branch, if that has commits of its own."""

    name: str
    repository: str
    kept: str = ""


class Refusal(PlainRecord):
    """A teammate who refused something sent to them, and why."""

    name: str
    reason: str


class Saved(PlainRecord):
    """An exact snapshot, the teammates who hold it, and the teammates who refused it."""

    tip: str
    tree: str
    shared_tip: str
    holders: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class SharingState(PlainRecord):
    """When sharing was paused (seconds since the epoch); 0: not paused. `already`: it was so before the command."""

    since: float = 0.0
    already: bool = False


class LogEntry(PlainRecord):
    """One snapshot of a timeline. `at`: seconds since the epoch."""

    tip: str
    tree: str
    base: str
    event: str
    title: str
    at: int


class Log(PlainRecord):
    """A timeline, newest first."""

    branch: str
    entries: list[LogEntry] = field(default_factory=list)


class Event(PlainRecord):
    """An event at `at` seconds since the epoch. `about`: for a comment, its id and code."""

    at: float
    event: str
    member: str
    tip: str
    tree: str
    about: str = ""


class Invited(PlainRecord):
    """A ticket, and the addresses that are open for its users. `expires_at`: seconds since the epoch."""

    ticket: str
    opened: list[str] = field(default_factory=list)
    id: str = ""
    expires_at: float = 0.0
    uses: int = 1


class TicketRecord(PlainRecord):
    """A ticket that was created here. Times are seconds since the epoch.

    `left`: how many people can still join with it, as far as is known here. `members`: who joined with it. `state`:
    `valid`, `used`, `expired` or `revoked`.
    """

    id: str
    made_at: float
    expires_at: float
    uses: int
    left: int
    members: list[str]
    state: str


class TicketList(PlainRecord):
    """The tickets that were created here."""

    tickets: list[TicketRecord] = field(default_factory=list)


class Joined(PlainRecord):
    """The name under which the team knows this member, and the other members.

    `other`: a clone of the same user that is already in the team as a separate member; empty: none. `opened`: the
    addresses that are now open to teammates. `met`: the ticket's maker, if this member was already in the team;
    `connected`: whether the two are connected now.
    """

    member: str
    teammates: list[str] = field(default_factory=list)
    other: str = ""
    opened: list[str] = field(default_factory=list)
    met: str = ""
    connected: bool = False


class MemberRecord(PlainRecord):
    """A current or former member of the team. Times are seconds since the epoch.

    `fingerprint`: of the key that they sign with. `since`: when `admitted_by` admitted them, by that member's clock;
    `admitted_by` is empty for the founder. `seen_at`: when they were last connected or heard of; 0: not yet.
    `removed_by`: who removed them, or their own name if they left; empty: they are in the team. `person`: the member
    whose further machine, clone or agent this is; else their own name. `addresses`: where they said they listen.
    `version`: the release of Bough that they run; empty: unknown. `formerly`: their earlier names. `through`: the
    teammates through whom they are reached, if not directly. `hub`: a member without a working tree, who keeps every
    branch.
    """

    name: str
    fingerprint: str
    since: float
    admitted_by: str
    is_me: bool
    connected: bool
    seen_at: float
    removed_by: str = ""
    removed_at: float = 0.0
    person: str = ""
    addresses: list[str] = field(default_factory=list)
    version: str = ""
    formerly: list[str] = field(default_factory=list)
    through: list[str] = field(default_factory=list)
    hub: bool = False


class JoinedAsHub(PlainRecord):
    """A hub's name in the team that it joined, and the other members.

    `opened`: the addresses that are now open. `already`: it was in the team before.
    """

    member: str
    teammates: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    already: bool = False


class LeftAsHub(PlainRecord):
    """The team that a hub has left, and the members who were told."""

    team: str
    told: list[str] = field(default_factory=list)


class HubBranch(PlainRecord):
    """A live branch that a hub keeps. `changed_at`: seconds since the epoch."""

    name: str
    tip: str
    changed_at: float


class HubMember(PlainRecord):
    """A member of a hub's team. `changed_at`: time of the newest kept snapshot, seconds since the epoch; 0: none.

    `not_taken`: why their newest snapshot is not kept.
    """

    name: str
    connected: bool
    changed_at: float = 0.0
    branches: list[HubBranch] = field(default_factory=list)
    not_taken: str = ""


class HubTeam(PlainRecord):
    """A team that a hub is in as `member`. `used`, `limit`: bytes. `out`: why it is no longer in the team."""

    team: str
    member: str
    members: list[HubMember] = field(default_factory=list)
    used: int = 0
    limit: int = 0
    out: str = ""
    failing: list[Failing] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class HubStatus(PlainRecord):
    """The teams that a hub is in. `listening`: the addresses that are open to the network, each with its purpose."""

    teams: list[HubTeam] = field(default_factory=list)
    listening: list[str] = field(default_factory=list)


class TeamRecord(PlainRecord):
    """The current and former members of the team."""

    members: list[MemberRecord] = field(default_factory=list)


class RemovedMembers(PlainRecord):
    """The members that were removed from the team. `copies`: the branches of which they said to hold copies."""

    removed: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


class Vouched(PlainRecord):
    """Who vouches that the member `name` is `lost`, who lost their key. `done`: they are enough, and it counts."""

    name: str
    lost: str
    by: list[str] = field(default_factory=list)
    done: bool = False


class Renamed(PlainRecord):
    """A member's new name, and the previous one."""

    member: str
    before: str


class Left(PlainRecord):
    """The teammates who were told at once that this member has left. `copies`: their branches that are still here."""

    told: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


class PurgeOrder(PlainRecord):
    """A request to purge a file, a folder or a text, or to accept a teammate's purge (`accept`, their name).

    `path`: the folder that the command was typed in. `text`: treat it as a text, even if a file has that name.
    `uncommitted`: only contents that are in none of the user's commits. `dry_run`: only report what would go.
    """

    path: str
    what: str = ""
    text: bool = False
    uncommitted: bool = False
    dry_run: bool = False
    accept: str = ""


class PurgeTold(PlainRecord):
    """The extent of a purge. `size`: bytes of the contents. `paths`: where they were.

    `snapshots`: how many snapshots have one of them. `commands`: how many can no longer be undone. `files`: files on
    disk that still have such a content. `teammates`: whose branches also have it. `left_in_git`: the user's repository
    has it, unreachable. `done`: it was purged.
    """

    contents: int
    size: int
    paths: list[str] = field(default_factory=list)
    snapshots: int = 0
    commands: int = 0
    files: list[str] = field(default_factory=list)
    teammates: list[str] = field(default_factory=list)
    left_in_git: bool = False
    done: bool = False


class PurgeReply(PlainRecord):
    """A member's report of a purge on their machine."""

    member: str
    done: bool
    outcome: str


class PurgeEntry(PlainRecord):
    """A purge that a member asked for. `at`: seconds since the epoch, by their clock. `paths`: as known here."""

    by: str
    at: float
    contents: int
    paths: list[str] = field(default_factory=list)
    replies: list[PurgeReply] = field(default_factory=list)


class PurgeList(PlainRecord):
    """All known purges."""

    purges: list[PurgeEntry] = field(default_factory=list)


class CommentOrder(PlainRecord):
    """A comment to make. `path`: the folder that `file` is named from. `on`: whose branch; empty: where the user is."""

    path: str
    file: str
    first: int
    last: int
    text: str
    on: str = ""


class CommentAdded(PlainRecord):
    """A comment that was made, and what it is on."""

    id: str
    branch: str
    file: str
    first: int
    last: int


class CommentQuery(PlainRecord):
    """Which comments to list: on a file or folder, on a branch, closed ones too, only those the user took part in.

    `path`: the folder that `file` is relative to. `shown`: record that the user has been shown them.
    """

    path: str
    file: str = ""
    on: str = ""
    all: bool = False
    mine: bool = False
    shown: bool = False


class CodePlace(PlainRecord):
    """Where code is now. `edited`: it has changed."""

    branch: str
    file: str
    first: int
    last: int
    edited: bool


class CommentMark(PlainRecord):
    """A reaction, and who gave it."""

    mark: str
    by: list[str] = field(default_factory=list)


class CommentReply(PlainRecord):
    """A reply to a comment. `at`: seconds since the epoch. `is_new`: the user has not been shown it."""

    id: str
    by: str
    at: float
    text: str
    marks: list[CommentMark] = field(default_factory=list)
    is_new: bool = False


class CommentThread(PlainRecord):
    """A comment, its replies, and where its code is now.

    `branch`, `file_then`, `line_then`: where it was made. `place`: None if the code is gone. `code`: the lines as they
    are now or, if they are gone, as they were. `closed_by`: empty while it is open.
    """

    id: str
    by: str
    at: float
    text: str
    branch: str
    file_then: str
    line_then: int
    place: CodePlace | None
    code: str
    replies: list[CommentReply] = field(default_factory=list)
    marks: list[CommentMark] = field(default_factory=list)
    closed_by: str = ""
    is_new: bool = False
    has_suggestion: bool = False


class CommentList(PlainRecord):
    """Comments, oldest first."""

    comments: list[CommentThread] = field(default_factory=list)


class CommentAnswer(PlainRecord):
    """An answer to a comment: one of `reply`, `mark`, `close` and `reopen`. `id`: the beginning of its id."""

    path: str
    id: str
    reply: str = ""
    mark: str = ""
    close: bool = False
    reopen: bool = False


class CommentAnswered(PlainRecord):
    """An answered comment: the id of the reply or else the comment's id, its author, and its text."""

    id: str
    by: str
    text: str


class MarkedSolid(PlainRecord):
    """A snapshot that is marked as fit to be taken."""

    branch: str
    tip: str


class AppliedSuggestion(PlainRecord):
    """A suggestion that was applied to these lines of a file. `last` is before `first` if it removed lines."""

    file: str
    first: int
    last: int
    by: str
    tip: str


class Continuation(PlainRecord):
    """A possible continuation, its confidence (0 to 1), and its source."""

    text: str
    confidence: float
    source: str


class Continuations(PlainRecord):
    """The suggestions of an engine, best first."""

    engine: str
    continuations: list[Continuation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Doors(PlainRecord):
    """The endpoints of completion: a socket, and an HTTP address with its token file; empty: closed.

    `generation` grows whenever the process is started. `notes`: what the user should know.
    """

    socket: str = ""
    generation: int = 0
    http: str = ""
    token_file: str = ""
    notes: list[str] = field(default_factory=list)


class FileRecord(PlainRecord):
    """The location of a file: its path in a working tree, or in another folder.

    `live`: whether that tree is live. `withheld`: nothing is suggested in it. `ignored`: nothing is learned from it.
    """

    repository: str
    path: str
    live: bool = False
    withheld: bool = False
    ignored: bool = False


class UseRecord(PlainRecord):
    """What became of the suggestions in a working tree since `since` (seconds since the epoch).

    `committed`: accepted ones whose file has been committed since; the commit still contains `kept_characters` of them.
    """

    repository: str
    since: float
    shown: int = 0
    accepted: int = 0
    accepted_characters: int = 0
    committed: int = 0
    committed_characters: int = 0
    kept_characters: int = 0


class EditsOnRecord(PlainRecord):
    """Edits that a command left out of the files. `snapshot` has them; the shell command `command` restores them."""

    paths: list[str] = field(default_factory=list)
    snapshot: str | None = None
    command: str | None = None


class MoveOutcome(PlainRecord):
    """The result of a hop, a return or an `off`. `name`: the teammate. `head`: a branch or a commit.

    `commits`: the branch that keeps commits made during the hop. `left`: the branch from before the hop, if it has
    moved or was deleted. `edited_in`: the teammate in whose branch `edits` were made; empty: before the hop. For a hop,
    `kind`: `together`, `follow` or `still`; `connected`: whether the teammate is; `saved_at`: when they saved what is
    here now (seconds since the epoch); `worktree`: the top folder of the working tree for hops, if it was done there;
    `guest_rule`: whether the teammate folds this branch's edits.
    """

    name: str
    head: str
    commit: str
    tip: str
    tree: str
    commits: str | None
    left: str | None
    edits: EditsOnRecord
    edited_in: str = ""
    kind: str = ""
    connected: bool = False
    saved_at: float = 0.0
    worktree: str = ""
    guest_rule: str = ""


class FileFinding(PlainRecord):
    """A finding to review in a merged file; `kind` and `line` are empty if it comes from Git."""

    kind: str
    path: str
    line: int
    message: str


class FileConflict(PlainRecord):
    """One conflict in a file: its line, the entity around it, what each side did, and the gate that refused."""

    line: int
    where: str
    ours: str
    theirs: str
    reason: str


class MergedFile(PlainRecord):
    """The merge of a file that both sides changed. `result`: `clean` or `conflict`."""

    path: str
    result: str
    method: str
    findings: list[FileFinding] = field(default_factory=list)
    conflicts: list[FileConflict] = field(default_factory=list)


class BroughtFiles(PlainRecord):
    """The files that only one side changed, by kind of change."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


class MergeOutcome(PlainRecord):
    """The result of a merge. `result`: `clean`, `conflict`, or `same` if there was nothing to merge.

    `untouched`: paths that lose content that their author never touched. `note`: what is special about the source.
    """

    result: str
    tree: str
    source: str
    files: list[MergedFile]
    brought: BroughtFiles
    untouched: list[str]
    note: MergeNote | None = None


class CommitTitle(PlainRecord):
    """A commit, and the first line of its message."""

    commit: str
    title: str


class TakenInCommits(PlainRecord):
    """Other people's commits on the shared branch that come with a landing. `commits`: newest first."""

    by: str
    commits: list[CommitTitle]
    files: list[str]


class LandOutcome(PlainRecord):
    """The result of a landing. `remote`: where it was published; None: only the team shares it.

    `local`: the branch here. `others`: the co-authors. `kept`: the branch that keeps commits which did not land
    unchanged. `conflicts`: edits made meanwhile that conflict. `new`: whether there was anything to land. `still_on`:
    the branch or commit that HEAD is on, if not the shared branch; `switched`: HEAD has moved there since. `hopped_to`:
    the teammate whose branch the files still show.
    """

    commit: str
    branch: str
    local: str
    remote: str | None
    others: list[str]
    kept: str | None
    files: list[MergedFile]
    conflicts: list[str]
    new: bool
    still_on: str | None
    brought: BroughtFiles
    taken_in: list[TakenInCommits]
    hopped_to: str = ""
    switched: bool = False


class ChangedPath(PlainRecord):
    """A path that differs. `status`: `A`, `M` or `D`."""

    status: str
    path: str


class LandingPreview(PlainRecord):
    """A preview of a landing. `onto`: the commits that it builds on. `new`: whether there is anything to land.

    `untracked`: files that are not committed anywhere yet. `untouched`: paths that lose content that I never touched.
    `taken_out`: commits (`id title`) that a forced push removed from the shared branch and that would come back.
    """

    branch: str
    remote: str | None
    onto: list[str]
    new: bool
    changes: list[ChangedPath]
    untracked: list[str]
    others: list[str]
    taken_in: list[TakenInCommits]
    conflicts: list[str]
    untouched: list[str]
    taken_out: list[str]
    files: list[MergedFile]


class RestoredPath(PlainRecord):
    """A path that was restored from a snapshot taken `at` (seconds since the epoch)."""

    path: str
    snapshot: str
    at: int


class RestoreOutcome(PlainRecord):
    """The result of a restore. `unchanged`: paths of which no other version is recorded."""

    paths: list[RestoredPath]
    unchanged: list[str]
    tip: str


class UndoOutcome(PlainRecord):
    """The result of an undo or a redo of the command `undone`.

    `kept`: the snapshot with what was saved while the command was interrupted.
    """

    undone: str
    tip: str
    tree: str
    kept: str | None
    edits: EditsOnRecord


class AllowOutcome(PlainRecord):
    """The paths that may leave. `named`: those that the command named, relative to the top folder."""

    named: list[str]
    allowed: list[str]


class Ended(PlainRecord):
    """A command has ended, and there is nothing more to report."""
