"""Members' requests to purge: signed lists of blob ids, and each member's report of the outcome.

A list may pass through any member. Each machine decides whether to follow it: see `purging/rights`. The contents
themselves, and the texts that they were found by, are never sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from bough_daemon.git.objects import EMPTY_BLOB
from bough_daemon.team.identity import Identity, statement, verify
from bough_daemon.team.roster import Roster

ID_BYTES = 20
MOST_CONTENTS = 5000  # ids of one purge: 100 kB, signed and sent as one piece
MOST_OF_MEMBER = 20_000  # ids of all purges of one member
MOST_PURGES = 200  # of one member
LATEST = 2**63


class PurgeOutcome(Enum):
    """The outcome of a purge on one machine. `IN_GIT`: the repository's own history has the content."""

    DONE = 1
    ASKED = 2
    WAITS = 3
    IN_GIT = 4


IN_WORDS = {
    PurgeOutcome.DONE: "done",
    PurgeOutcome.ASKED: "they have to accept it",
    PurgeOutcome.WAITS: "waiting until none of their branches has it",
    PurgeOutcome.IN_GIT: "not done: their own Git history has it",
}


@dataclass(frozen=True)
class Purge:
    """A member's request to purge some blobs. `contents`: their ids, concatenated, in bytes.

    `by`: the member's key. `time`: milliseconds since the epoch, by their clock; it decides nothing.
    """

    by: bytes
    contents: bytes
    time: int
    signature: bytes = b""

    @classmethod
    def of(cls, ids: Iterable[str], team: str, identity: Identity, time: int) -> Purge:
        """Return the request signed by the holder of an identity."""
        plain = cls(identity.key, b"".join(map(bytes.fromhex, sorted(ids))), time)
        return replace(plain, signature=identity.sign(plain.statement(team)))

    def statement(self, team: str) -> bytes:
        """Return what the member signs."""
        return statement("purge", team, self.by, self.time, self.contents)

    def is_sound(self, team: str) -> bool:
        """Return whether it is well-formed, and signed by its member for this team."""
        well_formed = 0 < len(self.contents) <= MOST_CONTENTS * ID_BYTES and len(self.contents) % ID_BYTES == 0
        return well_formed and 0 <= self.time < LATEST and verify(self.by, self.signature, self.statement(team))

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the blobs."""
        starts = range(0, len(self.contents), ID_BYTES)
        return frozenset(self.contents[at : at + ID_BYTES].hex() for at in starts) - {EMPTY_BLOB}

    @property
    def digest(self) -> bytes:
        """Return the digest that identifies this purge."""
        return hashlib.sha256(self.statement("")).digest()

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.contents) + len(self.signature) + 64


@dataclass(frozen=True)
class PurgeAnswer:
    """A member's report of a purge on their machine. `purge`: its digest; `time`: their newest report counts."""

    purge: bytes
    by: bytes
    outcome: PurgeOutcome
    time: int
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the member signs."""
        return statement("purged", team, self.purge, self.by, self.outcome.name, self.time)

    def signed(self, team: str, identity: Identity) -> PurgeAnswer:
        """Return this answer with the member's signature."""
        return replace(self, signature=identity.sign(self.statement(team)))

    def is_sound(self, team: str) -> bool:
        """Return whether it is signed by its member for this team."""
        return 0 <= self.time < LATEST and verify(self.by, self.signature, self.statement(team))

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return 200


@dataclass
class Purges:
    """The purges requested by members of one team, and the answers. Former members' requests no longer count.

    `known`: by digest; `answers`: by purge and member.
    """

    roster: Roster
    known: dict[bytes, Purge] = field(default_factory=dict)
    answers: dict[tuple[bytes, bytes], PurgeAnswer] = field(default_factory=dict)

    def merge(self, purges: Iterable[Purge], answers: Iterable[PurgeAnswer]) -> tuple[list[Purge], list[PurgeAnswer]]:
        """Add what is new, sound and within the budgets, and return just that."""
        new_purges, new_answers = list[Purge](), list[PurgeAnswer]()
        for purge in purges:
            if purge.digest not in self.known and self._is_taken(purge):
                self.known[purge.digest] = purge
                new_purges.append(purge)
        for answer in answers:
            old = self.answers.get((answer.purge, answer.by))
            is_new = answer.purge in self.known and (old is None or answer.time > old.time)
            if is_new and self.roster.by_key(answer.by) is not None and answer.is_sound(self.roster.team):
                self.answers[answer.purge, answer.by] = answer
                new_answers.append(answer)
        return new_purges, new_answers

    def _is_taken(self, purge: Purge) -> bool:
        if self.roster.by_key(purge.by) is None:
            return False
        theirs = [one for one in self.known.values() if one.by == purge.by]
        size = sum(len(one.contents) for one in theirs) + len(purge.contents)
        return len(theirs) < MOST_PURGES and size <= MOST_OF_MEMBER * ID_BYTES and purge.is_sound(self.roster.team)

    def counting(self) -> list[Purge]:
        """Return the purges requested by current members, oldest first."""
        return sorted((one for one in self.known.values() if self._counts(one.by)), key=lambda one: one.time)

    def answers_counting(self) -> list[PurgeAnswer]:
        """Return the answers of current members to purges of current members."""
        asked = {one.digest for one in self.counting()}
        return [one for one in self.answers.values() if one.purge in asked and self._counts(one.by)]

    def _counts(self, key: bytes) -> bool:
        return self.roster.by_key(key) is not None

    def ids_of(self, member: str) -> frozenset[str]:
        """Return the blobs that a member has asked to purge."""
        entry = self.roster.members.get(member)
        theirs = [one.ids for one in self.known.values() if entry is not None and one.by == entry.key]
        return frozenset[str]().union(*theirs)

    def open_for(self, key: bytes) -> list[Purge]:
        """Return the purges that the holder of a key has not done yet, including their own."""
        done = {one.purge for one in self.answers.values() if one.by == key and one.outcome is PurgeOutcome.DONE}
        return [one for one in self.counting() if one.digest not in done]
