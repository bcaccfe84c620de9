"""The logs of all members of a team: sets that only grow, and that converge for all members.

An entry counts once its predecessor is here, so nothing can be removed from a log or inserted later. A member who
continues from an older entry, as after a restored backup, gives their log a second end: both are kept, visibly. The
bounds depend on the log alone, so that all members agree, whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bough_daemon.errors import TooMuchTalk
from bough_daemon.talk.entries import MOST_KEPT_ENDS, KeptLogs, LogEnd, Said, TalkEntry, content_of
from bough_daemon.team.identity import Identity
from bough_daemon.team.roster import Roster

MOST_ENTRIES = 20_000  # of one member
MOST_BYTES = 16 << 20  # of one member
MOST_A_MINUTE, MINUTE_MS = 120, 60_000  # entries of one member
MOST_ENDS = 8  # of one log: an honest one has one more for each restored backup
MOST_POSITIONS = 4096  # digests in one message


@dataclass(frozen=True)
class _Place:
    """An entry in its log. `size`: bytes of the log up to it."""

    entry: TalkEntry
    size: int


@dataclass
class Logs:
    """The logs of one team; former members' new entries do not count, their earlier ones do.

    Members record in their own logs which those are, so that later joiners get them as well.
    """

    roster: Roster
    _places: dict[bytes, _Place] = field(default_factory=dict)
    _ends: dict[bytes, dict[bytes, None]] = field(default_factory=dict)  # by member: entries without a successor
    _kept: dict[bytes, dict[bytes, list[LogEnd]]] = field(default_factory=dict)  # by member, then by who says so

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, digest: object) -> bool:
        return digest in self._places

    def get(self, digest: bytes) -> TalkEntry | None:
        """Return the entry with a digest."""
        place = self._places.get(digest)
        return place.entry if place is not None else None

    def entries(self) -> Iterator[tuple[bytes, TalkEntry]]:
        """Yield every entry with its digest, in the order of arrival."""
        return ((digest, place.entry) for digest, place in self._places.items())

    def merge(self, entries: Iterable[TalkEntry]) -> list[TalkEntry]:
        """Add what is new, sound and within the bounds, and return just that."""
        return [entry for entry in entries if self._is_taken(entry)]

    def restore(self, entries: Iterable[TalkEntry]) -> list[TalkEntry]:
        """Add recorded entries again; return them."""
        return [entry for entry in entries if self._is_placed(entry, entry.digest)]

    def next(self, said: Said, identity: Identity, now: int) -> TalkEntry:
        """Return the next entry of an identity's holder, which `merge` accepts; raise TooMuchTalk.

        `now`: milliseconds since the epoch.
        """
        ends = self._ends.get(identity.key, {})
        last = max((self._places[one].entry for one in ends), key=lambda one: one.sequence, default=None)
        time = now
        if last is not None:
            paced = self._a_minute_after(last)
            if paced - MINUTE_MS <= now < paced:
                raise TooMuchTalk(f"more than {MOST_A_MINUTE} comments and replies within a minute")
            time = max(now, last.time, paced)  # a clock that was ahead must not block the log
        before, sequence = (last.digest, last.sequence + 1) if last is not None else (b"", 1)
        entry = TalkEntry(identity.key, sequence, before, time, content_of(said))
        if not self._has_room(entry):
            raise TooMuchTalk("your log of comments and replies in this team is full")
        return entry.signed(self.roster.team, identity)

    def _a_minute_after(self, last: TalkEntry) -> int:
        """Return the earliest time of the entry that follows `last`."""
        first: TalkEntry | None = last
        for _ in range(MOST_A_MINUTE - 1):
            first = self._before(first) if first is not None else None
        return first.time + MINUTE_MS if first is not None else 0

    def _before(self, entry: TalkEntry) -> TalkEntry | None:
        return self._places[entry.before].entry if entry.before else None

    def _is_taken(self, entry: TalkEntry) -> bool:
        digest = entry.digest
        if digest in self._places or not self._follows(entry):
            return False
        if self.roster.by_key(entry.by) is None and not self._was_kept(entry, digest):
            return False
        return self._has_room(entry) and entry.is_sound(self.roster.team) and self._is_placed(entry, digest)

    def _was_kept(self, entry: TalkEntry, digest: bytes) -> bool:
        """Return whether a member recorded that a former one had already said this."""
        ends = [end for end in self._kept_ends(entry.by) if end.sequence >= entry.sequence]
        adds = entry.before in self._ends.get(entry.by, {}) or not self._ends.get(entry.by)
        return adds and any(end.sequence > entry.sequence or end.digest == digest for end in ends)

    def _kept_ends(self, key: bytes) -> list[LogEnd]:
        by_member = self._kept.get(key, {})
        return [end for by, ends in by_member.items() if self.roster.by_key(by) is not None for end in ends]

    def to_keep(self) -> KeptLogs | None:
        """Return former members' entries that are known here and that nobody has recorded yet; None: none."""
        found: list[LogEnd] = []
        for key, ends in self._ends.items():
            if self.roster.by_key(key) is not None:
                continue
            last = max((self._places[end].entry for end in ends), key=lambda one: one.sequence)
            if all(end.sequence < last.sequence for end in self._kept_ends(key)):
                found.append(LogEnd(key, last.sequence, last.digest))
        return KeptLogs(found[:MOST_KEPT_ENDS]) if found else None

    def _follows(self, entry: TalkEntry) -> bool:
        """Return whether the previous entry is here, and no time limit is broken."""
        before = self._places.get(entry.before)
        if before is None:
            return entry.sequence == 1 and not entry.before
        last = before.entry
        continues = last.by == entry.by and entry.sequence == last.sequence + 1
        return continues and entry.time >= max(last.time, self._a_minute_after(last))

    def _has_room(self, entry: TalkEntry) -> bool:
        before, ends = self._places.get(entry.before), self._ends.get(entry.by, {})
        size = (before.size if before is not None else 0) + entry.size
        is_further_end = entry.before not in ends
        return entry.sequence <= MOST_ENTRIES and size <= MOST_BYTES and len(ends) + is_further_end <= MOST_ENDS

    def _is_placed(self, entry: TalkEntry, digest: bytes) -> bool:
        if digest in self._places or (entry.before and entry.before not in self._places):
            return False
        size = (self._places[entry.before].size if entry.before else 0) + entry.size
        self._places[digest] = _Place(entry, size)
        ends = self._ends.setdefault(entry.by, {})
        ends.pop(entry.before, None)
        ends[digest] = None
        if isinstance(said := entry.said, KeptLogs):
            for end in said.ends:
                self._kept.setdefault(end.by, {}).setdefault(entry.by, []).append(end)
        return True

    def positions(self) -> list[bytes]:
        """Return digests that tell another member how far each log is known here: each end, and some earlier entries.

        The steps back double, so that two members who each lack something exchange few entries twice.
        """
        found: list[bytes] = []
        for end in [one for ends in self._ends.values() for one in ends]:
            at, distance, wanted = end, 0, 0
            while at:
                if distance == wanted:
                    found.append(at)
                    wanted = wanted * 2 or 1
                at, distance = self._places[at].entry.before, distance + 1
        return found[:MOST_POSITIONS]

    def lacking(self, positions: Iterable[bytes]) -> list[TalkEntry]:
        """Return what a member with these positions lacks, each entry after its predecessor."""
        theirs = set[bytes]()
        for position in positions:
            at = position if position in self._places else b""
            while at and at not in theirs:
                theirs.add(at)
                at = self._places[at].entry.before
        lacking = [place.entry for digest, place in self._places.items() if digest not in theirs]
        # Entries about the logs of former members come before those.
        return sorted(lacking, key=lambda entry: self.roster.by_key(entry.by) is None)

    def forks(self) -> list[bytes]:
        """Return the keys of the members whose logs have more than one end."""
        return [key for key, ends in self._ends.items() if len(ends) > 1]
