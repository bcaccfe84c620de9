"""What a member knows of one team, kept under `$BOUGH_HOME/teams/<team id>/`.

The roster and the invites lie in one file, which is written whole: so a ticket is spent and its holder let in at once,
or neither. The states lie beside it. A repository's store names the team that it is in.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bough_daemon.errors import StoreDamaged
from bough_daemon.home import Home
from bough_daemon.store.store import Store
from bough_daemon.system.durable import write_whole
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome, Purges
from bough_daemon.team.roster import Admission, Contact, Roster
from bough_daemon.team.tickets import Invite, Invites

log = logging.getLogger(__name__)

TEAM = re.compile(r"[0-9a-f]{32}")
CLONE = re.compile(r"[0-9a-f]{16}")
NOTE = "team"  # a file in a store's folder
PURGES = "purges.json"


@dataclass(frozen=True)
class Note:
    """The team that a repository is in, and as which clone of its home, where it is a member of its own; or empty."""

    team: str = ""
    clone: str = ""


def now_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass
class Team:
    """A team as one member knows it. `folder`: where it is kept; `repository`: the git common directory that is in it.

    `sequences`: the number of my newest state, by key; it never goes back, whatever is restored. `taken`: bytes that
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

    @classmethod
    def of_store(cls, home: Home, store: Store, identity: Identity, name: str) -> Team:
        """Return the team that a repository is in; at first one of its own, in which `name` is alone.

        A copy of a repository that is still there is not in its team: one member cannot be in two places.
        """
        found = cls.known(home, note_of(store.folder).team)
        if found is not None and not found.is_elsewhere(store.common_dir):
            found.repository = store.common_dir
            return found
        return cls.new(home, Roster.found(identity, name, now_ms()), store)

    @classmethod
    def known(cls, home: Home, team: str) -> Team | None:
        """Return what a home has of a team, or None for nothing."""
        folder = home.path("teams", team)
        if not TEAM.fullmatch(team) or not os.path.exists(os.path.join(folder, "roster.json")):
            return None
        return cls.load(folder)

    @classmethod
    def new(cls, home: Home, roster: Roster, store: Store) -> Team:
        """Write down a team that a repository has just come into; the last step is the note in its store."""
        before = cls.known(home, roster.team)
        team = cls(home.path("teams", roster.team), roster, store.common_dir)
        team.sequences = before.sequences if before is not None else {}
        os.makedirs(team.folder, mode=0o700, exist_ok=True)
        team.save_roster()
        note = f"{roster.team}\n{home.clone_name}\n" if home.clone_name else f"{roster.team}\n"
        write_whole(os.path.join(store.folder, NOTE), note.encode())
        return team

    def is_elsewhere(self, common_dir: str) -> bool:
        """Return whether another repository, which is still where it was, is the one that is in the team."""
        if self.repository == common_dir:
            return False
        return note_of(os.path.join(self.repository, "bough")).team == self.roster.team

    @classmethod
    def load(cls, folder: str) -> Team:
        """Read a team, or raise StoreDamaged."""
        try:
            kept = _read(os.path.join(folder, "roster.json"))
            roster = Roster(kept["team"])
            admissions = {_admission(entry): entry["seen"] for entry in kept["admissions"]}
            contacts, removals = map(_contact, kept["contacts"]), map(_removal, kept.get("removals", ()))
            roster.restore(admissions, contacts, now_ms(), removals)
            if roster.dropped:
                log.warning("%d admissions that are no longer taken are left out of %s", roster.dropped, folder)
            invites = Invites(tuple(_invite(entry) for entry in kept["invites"]))
            team = cls(folder, roster, kept["repository"], invites)
            path = os.path.join(folder, "states.json")
            if os.path.exists(path):
                kept = _read(path)
                team.states = {state.key: state for state in map(_state, kept["states"])}
                team.sequences = {_key(entry): entry["sequence"] for entry in kept["sequences"]}
                team.taken = {str(name): int(size) for name, size in kept.get("taken", {}).items()}
            path = os.path.join(folder, PURGES)
            if os.path.exists(path):
                kept = _read(path)
                team.purges = list(map(_purge, kept["purges"]))
                team.purge_answers = list(map(_answer, kept["answers"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as damage:
            raise StoreDamaged(f"what is kept of the team in {folder} cannot be read: {damage}") from damage
        return team

    def save_roster(self) -> None:
        """Write the roster and the invites down, both or neither, synced."""
        roster = self.roster
        kept = {
            "team": roster.team,
            "repository": self.repository,
            "admissions": [
                _kept_admission(entry) | {"seen": roster.seen[digest]} for digest, entry in roster.admissions.items()
            ],
            "contacts": [_kept_contact(entry) for entry in roster.contacts.values()],
            "removals": [_kept_removal(entry) for entry in roster.removals.values()],
            "invites": [_kept_invite(invite) for invite in self.invites.known],
        }
        write_whole(os.path.join(self.folder, "roster.json"), json.dumps(kept, indent=1).encode())

    def save_states(self, states: Iterable[State]) -> None:
        """Write the states down, synced. May be called from one other thread at a time."""
        kept = {
            "states": [_kept_state(state) for state in states],
            "sequences": [_kept_key(key) | {"sequence": number} for key, number in list(self.sequences.items())],
            "taken": dict(self.taken),
        }
        write_whole(os.path.join(self.folder, "states.json"), json.dumps(kept).encode())

    def save_purges(self, purges: Purges) -> None:
        """Write down what members ask to purge and what came of it, synced."""
        asked, said = purges.counting(), purges.answers_counting()
        if (asked, said) == (self.purges, self.purge_answers):
            return
        self.purges, self.purge_answers = asked, said
        kept = {
            "purges": [_kept_purge(one) for one in self.purges],
            "answers": [_kept_answer(one) for one in self.purge_answers],
        }
        write_whole(os.path.join(self.folder, PURGES), json.dumps(kept).encode())


def note_of(folder: str) -> Note:
    """Return what a store's folder says of the team that its repository is in; raise StoreDamaged."""
    path = os.path.join(folder, NOTE)
    try:
        with open(path, errors="replace") as note:
            team, _, clone = note.read().partition("\n")
    except FileNotFoundError:
        return Note()
    if team.strip() and not TEAM.fullmatch(team.strip()):
        # Otherwise the repository would be in a new team, and nobody told.
        raise StoreDamaged(f"{path}, which says what team this repository is in, is damaged", path=path)
    return Note(team.strip(), clone.strip() if CLONE.fullmatch(clone.strip()) else "")


def _read(path: str) -> Any:
    with open(path, "rb") as source:
        return json.load(source)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _kept_admission(entry: Admission) -> dict[str, Any]:
    return {
        "name": entry.name,
        "key": _text(entry.key),
        "certificate": _text(entry.certificate),
        "vouch": _text(entry.vouch),
        "admitter": _text(entry.admitter),
        "time": entry.time,
        "nonce": _text(entry.nonce),
        "signature": _text(entry.signature),
    }


def _admission(kept: dict[str, Any]) -> Admission:
    binary = {name: _data(kept[name]) for name in ("key", "certificate", "vouch", "admitter", "nonce", "signature")}
    return Admission(name=kept["name"], time=kept["time"], **binary)


def _kept_contact(entry: Contact) -> dict[str, Any]:
    return {
        "key": _text(entry.key),
        "addresses": list(entry.addresses),
        "time": entry.time,
        "signature": _text(entry.signature),
    }


def _contact(kept: dict[str, Any]) -> Contact:
    return Contact(_data(kept["key"]), tuple(kept["addresses"]), kept["time"], _data(kept["signature"]))


def _kept_removal(entry: Removal) -> dict[str, Any]:
    return {
        "key": _text(entry.key),
        "remover": _text(entry.remover),
        "time": entry.time,
        "keeps": [_text(key) for key in entry.keeps],
        "upholds": [_text(key) for key in entry.upholds],
        "signature": _text(entry.signature),
    }


def _removal(kept: dict[str, Any]) -> Removal:
    keeps, upholds = (tuple(_data(key) for key in kept[name]) for name in ("keeps", "upholds"))
    return Removal(_data(kept["key"]), _data(kept["remover"]), kept["time"], keeps, upholds, _data(kept["signature"]))


def _kept_invite(invite: Invite) -> dict[str, Any]:
    spent_by = _text(invite.spent_by) if invite.spent_by is not None else None
    return {"hash": invite.secret_hash.hex(), "expires": invite.expires, "spent_by": spent_by}


def _invite(kept: dict[str, Any]) -> Invite:
    spent_by = _data(kept["spent_by"]) if kept["spent_by"] is not None else None
    return Invite(bytes.fromhex(kept["hash"]), kept["expires"], spent_by)


def _kept_key(key: Key) -> dict[str, Any]:
    kept = {"member": key.member, "kind": key.kind.name, "branch": _text(key.branch)}
    return kept | {"aside": key.aside} if key.aside else kept


def _key(kept: dict[str, Any]) -> Key:
    return Key(kept["member"], BranchKind[kept["kind"]], _data(kept["branch"]), kept.get("aside", ""))


def _kept_state(state: State) -> dict[str, Any]:
    return {
        "team": state.team,
        "key": _kept_key(state.key),
        "sequence": state.sequence,
        "tip": state.tip,
        "base": state.base,
        "time": state.time,
        "signature": _text(state.signature),
    }


def _state(kept: dict[str, Any]) -> State:
    signature = _data(kept["signature"])
    return State(kept["team"], _key(kept["key"]), kept["sequence"], kept["tip"], kept["base"], kept["time"], signature)


def _kept_purge(one: Purge) -> dict[str, Any]:
    contents, signature = _text(one.contents), _text(one.signature)
    return {"by": _text(one.by), "contents": contents, "time": one.time, "signature": signature}


def _purge(kept: dict[str, Any]) -> Purge:
    return Purge(_data(kept["by"]), _data(kept["contents"]), kept["time"], _data(kept["signature"]))


def _kept_answer(one: PurgeAnswer) -> dict[str, Any]:
    said = {"purge": _text(one.purge), "by": _text(one.by), "outcome": one.outcome.name}
    return said | {"time": one.time, "signature": _text(one.signature)}


def _answer(kept: dict[str, Any]) -> PurgeAnswer:
    said = _data(kept["purge"]), _data(kept["by"]), PurgeOutcome[kept["outcome"]]
    return PurgeAnswer(*said, kept["time"], _data(kept["signature"]))
