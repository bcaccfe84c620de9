"""A member's data of one team, kept under `$BOUGH_HOME/teams/<team id>/`.

The roster and the invites are in one file, which is written atomically: so a ticket is used and its holder admitted
together, or neither. The states are in a separate file. A repository's store names the team that it is in.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from msgspec import Struct

from bough_daemon.errors import StoreDamaged
from bough_daemon.home import Home
from bough_daemon.store.store import Store
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity
from bough_daemon.team.invites import Invite, Invites, TicketUse
from bough_daemon.team.pauses import MemberPause, Pauses
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome, Purges
from bough_daemon.team.roster import Admission, Contact, Roster
from bough_daemon.team.vouches import Vouch

log = logging.getLogger(__name__)

TEAM = re.compile(r"[0-9a-f]{32}")
CLONE = re.compile(r"[0-9a-f]{16}")
NOTE = "team"  # a file in a store's folder
PURGES = "purges.json"
PAUSES = "pauses.json"


@dataclass(frozen=True)
class Note:
    """The team that a repository is in and, if it is a separate member, which clone of its home; or empty."""

    team: str = ""
    clone: str = ""


def now_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass
class Team:
    """A team as one member knows it. `folder`: where it is stored; `repository`: the git common directory in it.

    `sequences`: the numbers of my newest states, by key; they never decrease, whatever is restored. `taken`: bytes that
    each member has sent and that were kept.
    """

    folder: str
    roster: Roster
    repository: str
    invites: Invites = field(default_factory=Invites)
    states: dict[Key, State] = field(default_factory=dict)
    sequences: dict[Key, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    purges: list[Purge] = field(default_factory=list)
    purge_answers: list[PurgeAnswer] = field(default_factory=list)
    pauses: list[MemberPause] = field(default_factory=list)

    @classmethod
    def of_store(cls, home: Home, store: Store, identity: Identity, name: str) -> Team:
        """Return the team that a repository is in; at first its own, with `name` as the only member.

        A copy of a repository that still exists is not in its team: one member cannot be in two places.
        """
        found = cls.known(home, note_of(store.folder).team)
        if found is not None and not found.is_elsewhere(store.common_dir):
            found.repository = store.common_dir
            return found
        return cls.new(home, Roster.found(identity, name, now_ms()), store)

    @classmethod
    def known(cls, home: Home, team: str) -> Team | None:
        """Return a home's data of a team, or None."""
        folder = home.path("teams", team)
        if not TEAM.fullmatch(team) or not os.path.exists(os.path.join(folder, "roster.json")):
            return None
        return cls.load(folder)

    @classmethod
    def new(cls, home: Home, roster: Roster, store: Store) -> Team:
        """Record a team that a repository has just joined; the last step is the note in its store."""
        before = cls.known(home, roster.team)
        team = cls(home.path("teams", roster.team), roster, store.common_dir)
        team.sequences = before.sequences if before is not None else {}
        os.makedirs(team.folder, mode=0o700, exist_ok=True)
        team.save_roster()
        note = f"{roster.team}\n{home.clone_name}\n" if home.clone_name else f"{roster.team}\n"
        write_whole(os.path.join(store.folder, NOTE), note.encode())
        return team

    def is_elsewhere(self, common_dir: str) -> bool:
        """Return whether another repository, which still exists, is the one in the team."""
        if self.repository == common_dir:
            return False
        return note_of(os.path.join(self.repository, "bough")).team == self.roster.team

    @classmethod
    def load(cls, folder: str) -> Team:
        """Read a team, or raise StoreDamaged."""
        try:
            kept = read_record(os.path.join(folder, "roster.json"), _RosterFile)
            roster = Roster(kept.team)
            admissions = {entry.plain(): entry.seen for entry in kept.admissions}
            roster.restore(admissions, kept.contacts, now_ms(), kept.removals, kept.vouches)
            if roster.dropped:
                log.warning("%d admissions that are no longer taken are left out of %s", roster.dropped, folder)
            uses = {(use.ticket, use.key): use for use in kept.ticket_uses}
            invites = Invites({one.key: one for one in kept.tickets}, uses)
            team = cls(folder, roster, kept.repository, invites)
            path = os.path.join(folder, "states.json")
            if os.path.exists(path):
                known = read_record(path, _StatesFile)
                team.states = {state.key: state for state in (one.plain() for one in known.states)}
                team.sequences = {one.plain(): one.sequence for one in known.sequences}
                team.taken = known.taken
            path = os.path.join(folder, PURGES)
            if os.path.exists(path):
                asked = read_record(path, _PurgesFile)
                team.purges, team.purge_answers = asked.purges, [one.plain() for one in asked.answers]
            path = os.path.join(folder, PAUSES)
            if os.path.exists(path):
                team.pauses = read_record(path, _PausesFile).pauses
        except ValueError as damage:
            raise StoreDamaged(f"the team data in {folder} cannot be read: {damage}") from damage
        return team

    def carry_taken(self) -> None:
        """Count what members sent under earlier names for their current names."""
        for name, key in self.roster.previous.items():
            if name in self.taken:
                now = self.roster.name_of(key)
                self.taken[now] = self.taken.get(now, 0) + self.taken.pop(name)

    def save_roster(self) -> None:
        """Save the roster and the invites atomically, synced."""
        roster = self.roster
        kept = _RosterFile(
            team=roster.team,
            repository=self.repository,
            admissions=[
                _SeenAdmission(**vars(entry), seen=roster.seen[digest]) for digest, entry in roster.admissions.items()
            ],
            contacts=list(roster.contacts.values()),
            removals=list(roster.removals.values()),
            vouches=list(roster.vouches.values()),
            tickets=list(self.invites.made.values()),
            ticket_uses=list(self.invites.uses.values()),
        )
        write_whole(os.path.join(self.folder, "roster.json"), as_json(kept, indent=1))

    def save_states(self, states: Iterable[State]) -> None:
        """Save the states, synced. May be called from one other thread at a time."""
        sequences = list(self.sequences.items())
        kept = _StatesFile(
            states=[_StateEntry.of(state) for state in states],
            sequences=[_SequenceEntry(**_key_fields(key), sequence=number) for key, number in sequences],
            taken=dict(self.taken),
        )
        write_whole(os.path.join(self.folder, "states.json"), as_json(kept))

    def save_purges(self, purges: Purges) -> None:
        """Save the members' purges and their outcomes, synced."""
        asked, said = purges.counting(), purges.answers_counting()
        if (asked, said) == (self.purges, self.purge_answers):
            return
        self.purges, self.purge_answers = asked, said
        kept = _PurgesFile(list(self.purges), [_AnswerEntry.of(one) for one in self.purge_answers])
        write_whole(os.path.join(self.folder, PURGES), as_json(kept))

    def save_pauses(self, pauses: Pauses) -> None:
        """Write who has paused sharing, synced."""
        said = pauses.counting()
        if said != self.pauses:
            self.pauses = said
            write_whole(os.path.join(self.folder, PAUSES), as_json(_PausesFile(said)))


def note_of(folder: str) -> Note:
    """Return the note in a store's folder about its repository's team; raise StoreDamaged."""
    path = os.path.join(folder, NOTE)
    try:
        with open(path, errors="replace") as note:
            team, _, clone = note.read().partition("\n")
    except FileNotFoundError:
        return Note()
    if team.strip() and not TEAM.fullmatch(team.strip()):
        # Otherwise the repository would be in a new team, silently.
        raise StoreDamaged(f"{path}, which records the team of this repository, is damaged", path=path)
    return Note(team.strip(), clone.strip() if CLONE.fullmatch(clone.strip()) else "")


# The files, where a record differs from the one in memory.


@dataclass(frozen=True)
class _SeenAdmission(Admission):
    """An admission, and when it first arrived here."""

    seen: int = field(kw_only=True)

    def plain(self) -> Admission:
        return Admission(**{each.name: getattr(self, each.name) for each in fields(Admission)})


@dataclass(frozen=True)
class _RosterFile:
    team: str
    repository: str
    admissions: list[_SeenAdmission]
    contacts: list[Contact]
    removals: list[Removal] = field(default_factory=list)
    vouches: list[Vouch] = field(default_factory=list)
    tickets: list[Invite] = field(default_factory=list)
    ticket_uses: list[TicketUse] = field(default_factory=list)


class _KeyEntry(Struct, frozen=True, omit_defaults=True):
    """A key; `aside` is omitted if it is empty."""

    member: str
    kind: Literal["LIVE", "LANDED"]
    branch: bytes
    aside: str = ""

    def plain(self) -> Key:
        return Key(self.member, BranchKind[self.kind], self.branch, self.aside)


class _SequenceEntry(_KeyEntry, frozen=True, omit_defaults=True, kw_only=True):
    """The number of my newest state for a key."""

    sequence: int


def _key_fields(key: Key) -> dict[str, Any]:
    return {"member": key.member, "kind": key.kind.name, "branch": key.branch, "aside": key.aside}


@dataclass(frozen=True)
class _StateEntry:
    team: str
    key: _KeyEntry
    sequence: int
    tip: str
    base: str
    time: int
    signature: bytes

    @classmethod
    def of(cls, state: State) -> _StateEntry:
        return cls(**vars(state) | {"key": _KeyEntry(**_key_fields(state.key))})

    def plain(self) -> State:
        return State(**vars(self) | {"key": self.key.plain()})


@dataclass(frozen=True)
class _StatesFile:
    states: list[_StateEntry]
    sequences: list[_SequenceEntry]
    taken: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _AnswerEntry:
    purge: bytes
    by: bytes
    outcome: Literal["DONE", "ASKED", "WAITS", "IN_GIT"]
    time: int
    signature: bytes

    @classmethod
    def of(cls, answer: PurgeAnswer) -> _AnswerEntry:
        return cls(**vars(answer) | {"outcome": answer.outcome.name})

    def plain(self) -> PurgeAnswer:
        return PurgeAnswer(**vars(self) | {"outcome": PurgeOutcome[self.outcome]})


@dataclass(frozen=True)
class _PausesFile:
    pauses: list[MemberPause] = field(default_factory=list)


@dataclass(frozen=True)
class _PurgesFile:
    purges: list[Purge]
    answers: list[_AnswerEntry]
