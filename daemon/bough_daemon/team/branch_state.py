"""Signed states: a member's statement about a branch, valid through any relay.

A state names the team, the member, the branch and a sequence number, so it can be neither forged, nor replayed, nor
moved to another repository or another branch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from enum import Enum

from bough_daemon.errors import BadName, PeerRefused
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.system.text import SHORT
from bough_daemon.team.identity import Identity, statement, verify
from bough_daemon.team.names import check_branch, check_live_branch, check_member_name, owner_of
from bough_daemon.team.roster import Roster

SIGNATURE_BYTES = 64
MOST_BRANCHES = 256  # of one member and kind
MOST_ASIDES = 8  # of one member: an honest one has one for each restored backup


class BranchKind(Enum):
    """The subject of a state: a live branch, or a member's landing on a shared branch."""

    LIVE = 1
    LANDED = 2


@dataclass(frozen=True)
class Key:
    """Identifies a state's subject; for each key the highest sequence counts. `branch`: bytes as in Git.

    `aside`: the tip of a state that is kept aside, because the one that counts does not contain it: of two with one
    number, or of what a restored backup lacks. Empty for the state that counts.
    """

    member: str
    kind: BranchKind = field(hash=False)  # hardly two differ in it alone, and an enum's is a call of Python
    branch: bytes
    aside: str = ""

    @property
    def branch_name(self) -> str:
        """Return the branch's name here: `alice`, or `alice@9b2e41c0de` for a state that is kept aside."""
        name = os.fsdecode(self.branch)
        return f"{name}@{self.aside[:SHORT]}" if self.aside else name


@dataclass(frozen=True)
class State:
    """A signed state. `tip`, `base`: commits, the same one for a landing. `time`: milliseconds since the epoch."""

    team: str
    key: Key
    sequence: int
    tip: str
    base: str
    time: int
    signature: bytes = b""

    def statement(self) -> bytes:
        """Return what the member signs."""
        key = self.key
        fields = (self.team, key.member, key.kind.name, key.branch, self.sequence, self.tip, self.base, self.time)
        return statement("state", *fields)

    def as_aside(self) -> State:
        """Return this state as one to be kept aside; the signed fields are unchanged."""
        return replace(self, key=replace(self.key, aside=self.tip))

    def signed(self, identity: Identity) -> State:
        """Return this state with the identity's signature."""
        return replace(self, signature=identity.sign(self.statement()))


@dataclass(frozen=True)
class TeamLanding:
    """A member's last landing on a shared branch. `time`: milliseconds since the epoch."""

    branch: str
    commit: str
    member: str
    time: int


def branch_owner(roster: Roster, branch: str) -> str:
    """Return the only member who may publish a live branch.

    `alice+desktop` is the current or former member of that name, else a further worktree of alice's.
    """
    return branch if branch in roster.names else owner_of(branch)


def check_state(state: State, roster: Roster) -> State:
    """Return a state that its member may publish and has signed, or raise PeerRefused with the reason."""
    key = state.key
    member = roster.members.get(key.member)
    if state.team != roster.team:
        raise PeerRefused("the state belongs to another team", team=state.team)
    if member is None:
        raise PeerRefused(f"the state is of {key.member}, who is not in the team", member=key.member)
    if not _is_well_formed(state):
        raise PeerRefused(f"the state of {key.member} is malformed", member=key.member)
    if key.kind is BranchKind.LIVE and branch_owner(roster, key.branch.decode()) != key.member:
        raise PeerRefused(f"{key.member} may not publish the branch {key.branch.decode()}", member=key.member)
    if not verify(member.key, state.signature, state.statement()):
        raise PeerRefused(f"the state is not signed by {key.member}", member=key.member)
    return state


def may_count_later(state: State, roster: Roster) -> bool:
    """Return whether a state that does not count could do so after a change of the roster."""
    try:
        check_member_name(state.key.member)
    except BadName:
        return False
    return state.team == roster.team and len(state.signature) == SIGNATURE_BYTES and _is_well_formed(state)


def _is_well_formed(state: State) -> bool:
    try:
        if state.key.kind is BranchKind.LIVE:
            check_live_branch(state.key.branch.decode())
        else:
            check_branch(state.key.branch)
    except (BadName, UnicodeDecodeError):
        return False
    if state.key.aside and (state.key.kind is not BranchKind.LIVE or state.key.aside != state.tip):
        return False
    commits = OBJECT_ID.fullmatch(state.tip) and OBJECT_ID.fullmatch(state.base)
    return bool(commits) and 0 < state.sequence < 2**63 and 0 <= state.time < 2**63


@dataclass(frozen=True)
class KnownBranch:
    """One live branch of a teammate. `tip`, `base`: commits in the store; None: none arrived yet. `time`: in ms.

    `not_taken`: why their newest state is not here; empty if nothing prevents it.
    """

    name: str
    branch: str
    tip: str | None
    base: str | None
    time: int
    connected: bool
    not_taken: str = ""
