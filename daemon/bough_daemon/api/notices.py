"""What a user should know without having asked, as records. The command line has the words and the remedies.

Those in `Notice` and `MergeNote` cross the control socket: each has a message of the same name in control.proto.
"""

from __future__ import annotations

from typing import get_args

from msgspec import field

from bough_daemon.system.plain_record import PlainRecord


class KeptAside(PlainRecord):
    """A state that is kept as `branch`, apart from the newest one of the member `name`. `mine`: that is the user."""

    branch: str
    name: str
    mine: bool


class OtherVersion(PlainRecord):
    """A teammate runs an incompatible version of Bough."""

    name: str


class OwnedElsewhere(PlainRecord):
    """The working tree `root` is live under another home, `owner`."""

    root: str
    owner: str


class PurgeAsked(PlainRecord):
    """Teammate `by` asks to purge `contents` contents that are here too. `committed`: in the user's Git history."""

    by: str
    contents: int
    committed: bool


class TicketOverused(PlainRecord):
    """More members than `uses` joined with a ticket of the user's."""

    ticket: str
    uses: int
    members: list[str] = field(default_factory=list)


class NewKeyVouched(PlainRecord):
    """`by` vouch that the member `name`, with a key of this fingerprint, is the member `lost`; one more has to."""

    name: str
    lost: str
    by: list[str] = field(default_factory=list)
    fingerprint: str = ""


class AddressGone(PlainRecord):
    """The address that teammates call no longer belongs to this machine."""

    host: str


class PortInUse(PlainRecord):
    """Another program uses the address `before`, so teammates call `now`. `only_here`: only this machine reaches it."""

    before: str
    now: str
    only_here: bool


class AdmissionsDropped(PlainRecord):
    """Recorded admissions to the team that no longer count."""

    count: int


class NoConnection(PlainRecord):
    """A teammate and this machine do not talk, because one of them refused."""

    name: str
    reason: str


class StoreNearLimit(PlainRecord):
    """The snapshots of this repository take nearly all of the space that they may, or more. In bytes."""

    used: int
    limit: int


class MemberOverLimit(PlainRecord):
    """A teammate has sent so much that nothing new is accepted from them. In bytes; `limit`: that of the store."""

    name: str
    sent: int
    limit: int


class StateContradicted(PlainRecord):
    """A member sent others `other` as the latest snapshot of a branch, and `here` to this machine."""

    member: str
    branch: str
    other: str
    here: str


class NameTakenAlready(PlainRecord):
    """Member `by` chose a `name` that does not count, because `holder` has it."""

    by: str
    name: str
    holder: str


class AdmittedTwice(PlainRecord):
    """Member `by` admitted `member` a second time as `name`, which does not count. Empty `by`: a former member."""

    by: str
    member: str
    name: str


class NameAdmittedTwice(PlainRecord):
    """Member `by` admitted someone else as `name`, which does not count, after `first` had admitted `holder`.

    Empty `by` or `first`: a former member.
    """

    by: str
    name: str
    first: str
    holder: str


class MuchRemoved(PlainRecord):
    """A save removed `files` files and `lines` lines `at` some time (seconds since the epoch): `paths` lost something.

    `before`: the snapshot that has all of it.
    """

    before: str
    at: float
    files: int
    lines: int
    paths: list[str] = field(default_factory=list)


class StateBeforeOperation(PlainRecord):
    """A teammate has a Git operation in progress, so the state before it was merged."""

    name: str
    operation: str


class RemoteUnreachable(PlainRecord):
    """The remote could not be reached, so the state that was fetched last was merged."""

    remote: str


class CommitsLeftOut(PlainRecord):
    """Commits, as `id title`, that a forced push removed from `branch` were left out."""

    branch: str
    commits: list[str] = field(default_factory=list)


class LocalCommitsNotMerged(PlainRecord):
    """The local branch has commits that `place`, which was merged, lacks."""

    branch: str
    place: str


Dispute = StateContradicted | NameTakenAlready | AdmittedTwice | NameAdmittedTwice
Notice = (
    KeptAside
    | OtherVersion
    | OwnedElsewhere
    | PurgeAsked
    | TicketOverused
    | NewKeyVouched
    | AddressGone
    | PortInUse
    | AdmissionsDropped
    | NoConnection
    | StoreNearLimit
    | MemberOverLimit
    | StateContradicted
    | NameTakenAlready
    | AdmittedTwice
    | NameAdmittedTwice
    | MuchRemoved
)
MergeNote = StateBeforeOperation | RemoteUnreachable | CommitsLeftOut | LocalCommitsNotMerged
EITHER = get_args(Notice) + get_args(MergeNote)
