"""The team: its members, who admitted them, and their addresses.

A roster is a set of signed admissions that everyone may pass on. Anyone with the team's id can verify all of it: the id
is a hash of the founder's key, and every other member was admitted by an earlier member. Every member may admit;
`alice+FOLDER` is admitted by alice alone.

Of two admissions of one name, or of one key, the one that was known here first counts, and the other is reported: the
time in an admission is chosen by its admitter, and decides nothing there. A new member learns the admissions in the
order in which they count for the member who admitted them. So machines agree, except those that were disconnected and
learned of the other first. They settle it in the first minutes: the admission counts whose admitter is nearer to the
founder, by a chain that others have signed, so that no admitter can bring themselves nearer. Of two at equal distance,
each machine keeps the one that it learned first and reports the other: any other rule would let a hostile member take a
new member's place. After that nothing displaces a member.

A member whose key is lost joins with a new one under another name; once two people vouch for it, and the old key is
removed, the name is theirs (`vouches`). Of two keys for which that is so, the one that was known here first counts.

A member who signs an admission of themselves is renamed to its name. It counts by the same rules as any other: a name
is assigned once, former names included.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bough_daemon.budgets import LONGEST_NONCE
from bough_daemon.errors import (
    AlreadyInTeam,
    AlreadyRemoved,
    BadName,
    CannotVouch,
    InviterGone,
    NameTaken,
    NotAdmitted,
    NotInTeam,
    RemovedFromTeam,
    UnknownMember,
)
from bough_daemon.system.addresses import LONGEST_ADDRESS, is_address
from bough_daemon.team.departures import REMOVALS_BYTES, Departures, Removal, departures
from bough_daemon.team.identity import Identity, certificate_is_vouched, statement, verify
from bough_daemon.team.names import check_member_name, owner_of
from bough_daemon.team.vouches import ENOUGH, MOST_VOUCHES, Vouch

SETTLED_MS = 10 * 60 * 1000  # after which nothing displaces a member: other admissions have long arrived by then
LARGEST = 2000  # admissions of one team
MOST_BELOW = 500  # admissions by one member and by the members they admitted, the founder excepted
MOST_RENAMES = 20  # of one member: each uses a name forever
MOST_ADDRESSES = 16
MOST_EARLY = 50


@dataclass(frozen=True)
class Admission:
    """One member's key and certificate under a name, signed by the member who admitted them.

    `admitter`: the signing key of that member; the founder's own, with a `nonce`, for the founder. `time`: milliseconds
    since the epoch, by the admitter's clock, and later than the admitter's own; it only decides how new to a joiner is
    what they learn on joining.
    """

    name: str
    key: bytes
    certificate: bytes
    vouch: bytes
    admitter: bytes
    time: int
    nonce: bytes = b""
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the admitter signs."""
        fields = (team, self.name, self.key, self.certificate, self.admitter, self.time, self.nonce)
        return statement("admission", *fields)

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.statement("")) + len(self.vouch) + len(self.signature)

    @property
    def digest(self) -> str:
        """Return the digest that identifies this admission."""
        return hashlib.sha256(self.statement("")).hexdigest()


@dataclass(frozen=True)
class Contact:
    """A member's addresses, `host:port` each, signed by that member; a later `time` (milliseconds) replaces it.

    Of two with one time, which only a copied machine signs, the same one counts everywhere.
    """

    key: bytes
    addresses: tuple[str, ...]
    time: int
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the member signs."""
        return statement("contact", team, self.key, self.time, *self.addresses)

    @property
    def rank(self) -> tuple[int, tuple[str, ...]]:
        """Return the value by which a contact replaces another one of the same member: the higher counts."""
        return self.time, self.addresses

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.statement("")) + len(self.signature)


def team_id_of(founder: bytes, nonce: bytes) -> str:
    """Return the id of the team that the holder of this key founded: 32 hexadecimal digits."""
    return hashlib.sha256(statement("team", founder, nonce)).hexdigest()[:32]


@dataclass(frozen=True)
class Rival:
    """An admission that does not count because another one has the same name or key."""

    admission: Admission
    counts: Admission


@dataclass
class Roster:
    """The members of one team, as known on this machine. Pure: time is passed in, in milliseconds.

    `admissions`: by digest, in the order in which they count. `seen`: when each first arrived here. `members`: each
    with the admission of their current name; `origins`: their first admissions, by key. `rivals`: those that do not
    count. `removals`: by removed member and remover. `former`: removed members; their names and keys are not assigned
    again. `previous`: the member of each earlier name. `orphaned`: by name, members who were removed together
    with their admitter. `dropped`: how many recorded admissions are no longer accepted.
    """

    team: str
    admissions: dict[str, Admission] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    contacts: dict[bytes, Contact] = field(default_factory=dict)
    members: dict[str, Admission] = field(default_factory=dict)
    _by_key: dict[bytes, Admission] = field(default_factory=dict, repr=False)  # the members
    rivals: list[Rival] = field(default_factory=list)
    removals: dict[tuple[bytes, bytes], Removal] = field(default_factory=dict)
    former: dict[str, Admission] = field(default_factory=dict)
    origins: dict[bytes, Admission] = field(default_factory=dict)
    previous: dict[str, bytes] = field(default_factory=dict)
    orphaned: dict[str, Admission] = field(default_factory=dict)
    departures: Departures = field(default_factory=Departures)
    dropped: int = 0
    vouches: dict[tuple[bytes, bytes], Vouch] = field(default_factory=dict)  # by signer and lost key, oldest first
    early: dict[str, Admission] = field(default_factory=dict)  # dropped ones that may count with a later vouch
    heirs: dict[bytes, bytes] = field(default_factory=dict)  # by lost key: the one that counts in its place
    _counted: set[bytes] = field(default_factory=set)  # the keys of members and former members, without heirs' names
    _names: dict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))  # in any admission, by key
    _above: dict[bytes, bytes] = field(default_factory=dict)  # who admitted a key first
    _below: Counter[bytes] = field(default_factory=Counter)  # admissions by a member and the members they admitted
    _said_below: Counter[bytes] = field(default_factory=Counter)  # bytes of their removals
    _said_by: Counter[bytes] = field(default_factory=Counter)  # vouches of a member

    @classmethod
    def found(cls, identity: Identity, name: str, now: int) -> Roster:
        """Return the roster of a new team with one member."""
        nonce = os.urandom(16)
        roster = cls(team_id_of(identity.key, nonce))
        founder = roster.signed(identity, name, identity.key, identity.certificate, identity.vouch, now, nonce)
        roster.take(founder, now)
        return roster

    def admit(self, identity: Identity, name: str, key: bytes, certificate: bytes, vouch: bytes, now: int) -> Admission:
        """Admit someone under an unused name and return the admission; raise NameTaken or NotPossibleNow.

        If the holder of the key is already in the team under this name, nothing changes.
        """
        present = self.by_key(key)
        if present is not None and present.name == name and present.certificate == certificate:
            return present
        self._check_name(name, key)
        if present is not None:
            said = f"this home is already in the team, as {present.name}; join with `--as {present.name}`"
            raise AlreadyInTeam(said, name=present.name)
        if self.departures.of(key):
            raise RemovedFromTeam("this home was removed from the team, and its key cannot join again")
        mine = self.by_key(identity.key)
        if mine is None:
            raise InviterGone("the member who made the ticket is no longer in the team")
        if owner_of(name) not in (name, mine.name):
            raise NameTaken(f"only {owner_of(name)} can admit {name}, with a ticket of their own", name=name)
        admission = self.signed(identity, name, key, certificate, vouch, max(now, mine.time + 1))
        self.take(admission, now)
        return admission

    def rename(self, identity: Identity, name: str, now: int) -> Admission:
        """Rename the holder of an identity to an unused name, and return the signed admission; raise NameTaken.

        The previous name is not assigned again. Raises NotPossibleNow if this home is not in the team, or has had too
        many names.
        """
        me = self.by_key(identity.key)
        if me is None:
            raise NotInTeam("this home is no longer in the team")
        self._check_name(name, me.key)
        if me.key in self.heirs.values():
            raise NotAdmitted(f"{me.name} cannot be renamed: the name belongs to a key that was replaced", name=me.name)
        said = self.signed(identity, name, me.key, me.certificate, me.vouch, max(now, me.time + 1))
        self.take(said, now)
        return said

    def signed(
        self, by: Identity, name: str, key: bytes, certificate: bytes, vouch: bytes, time: int, nonce: bytes = b""
    ) -> Admission:
        """Return a signed admission without adding it."""
        plain = Admission(check_member_name(name), key, certificate, vouch, by.key, time, nonce)
        return replace(plain, signature=by.sign(plain.statement(self.team)))

    def take(self, entry: Admission, now: int) -> None:
        """Add an admission, or raise NameTaken, or NotPossibleNow with the reason why it does not count."""
        if self.members.get(entry.name) == entry:
            return
        self._check_name(entry.name, entry.key)
        reason = self._why_not(entry)
        if reason is None and self.merge([entry], [], now)[0] and self.members.get(entry.name) != entry:
            self.forget(entry, now)
            reason = "they are in the team under another name"
        if reason is not None:
            raise NotAdmitted(f"{entry.name} cannot be admitted: {reason}", name=entry.name)

    def _check_name(self, name: str, key: bytes) -> None:
        if name in self.members:
            raise NameTaken(f"the team has a member named {name} already", name=name)
        if name in self.former:
            raise NameTaken(f"the team had a member named {name}, who was removed", name=name)
        if name in self.orphaned and self.orphaned[name].key != key:
            raise NameTaken(f"the team had a member named {name}, who went with the member who let them in", name=name)
        if name in self.previous:
            now = self.name_of(self.previous[name])
            raise NameTaken(f"{name} is the earlier name of {now}, and cannot be used again", name=name)

    def remove(
        self, identity: Identity, name: str, now: int, *, with_invited: bool = False, restore: bool = False
    ) -> list[Removal]:
        """Remove a member, with their further clones, and return the signed removals; members leave by `leave`.

        `with_invited`: also remove the members they admitted, recursively, except oneself. `restore`: readmit the
        members they removed. Raises UnknownMember, or NotPossibleNow if they are already removed, or this home's
        statements do not count.
        """
        entry = self.members.get(name) or self.former.get(name)
        if entry is None:
            raise UnknownMember(f"the team has no member named {name}", name=name)
        before = self.departures.of(entry.key)
        if before and not all(one.is_leaving for one in before):
            by = self.name_of(before[0].remover)
            raise AlreadyRemoved(f"{name} was already removed from the team, by {by}", name=name)
        if self.by_key(identity.key) is None and not self._may_return(identity.key, entry.key):
            raise NotInTeam("this home is no longer in the team")
        invited = self.invited_by(name, further=with_invited)
        names = {name, *(one for one, key in self.previous.items() if key == entry.key)}
        others = [one for one in invited if one.key != identity.key]
        going = [entry, *(one for one in others if with_invited or owner_of(one.name) in names)]
        said = [self._removal(identity, one, restore, now) for one in going]
        taken = self.merge_removals(said, now)
        if len(taken) < len(said):
            self.withdraw(taken, now)
            raise NotAdmitted(f"{name} cannot be removed: too many removals are recorded already")
        return said

    def vouch(self, identity: Identity, name: str, lost: str, now: int) -> tuple[Vouch, list[Removal]]:
        """Vouch that the member `name` is the one named `lost`, with a new key; return that, signed.

        With the last vouch that is needed, the lost key is removed: the removal is returned, too. Raises UnknownMember,
        CannotVouch or NotInTeam; then nothing has changed.
        """
        me, new = self.by_key(identity.key), self.member(name)
        old = self.members.get(lost) or self.former.get(lost)
        if me is None:
            raise NotInTeam("this home is no longer in the team")
        if old is None:
            raise UnknownMember(f"the team has no member named {lost}", name=lost)
        if new.key == old.key:
            raise CannotVouch(f"{lost} has this key already: name the member who joined with the new one")
        if (me.key, old.key) in self.vouches:
            raise CannotVouch(f"you vouched for a new key of {lost} already")
        if self._person(me.key) in (self._person(new.key), self._person(old.key)):
            raise CannotVouch("nobody can vouch for themselves: two other people in the team have to")
        said = Vouch(old.key, new.key, me.key, now).signed(self.team, identity)
        if not self.merge_vouches([said], now):
            raise CannotVouch(f"you vouched for {MOST_VOUCHES} new keys already, as many as one member can")
        return said, self.remove_lost(identity, now)

    def remove_lost(self, identity: Identity, now: int) -> list[Removal]:
        """Remove the keys that enough people vouched to be lost, this member among them; return the signed removals.

        Two who vouch at the same time each learn of the other afterwards.
        """
        found = list[Removal]()
        for (by, old), one in self.vouches.items():
            entry = self.by_key(old)
            is_mine = by == identity.key and self.by_key(by) is not None and (old, by) not in self.removals
            if is_mine and entry is not None and len(self.vouched_by(old, one.new)) >= ENOUGH:
                found.append(self._removal(identity, entry, False, now))
        return self.merge_removals(found, now)

    def vouched_by(self, old: bytes, new: bytes) -> list[str]:
        """Return who vouches that a key replaces another, one name for each person; each may be in the team."""
        return self._people(one for one in self.vouches.values() if (one.old, one.new) == (old, new))

    def vouched_keys(self) -> Iterator[tuple[Admission, Admission, list[str]]]:
        """Yield each pair of a lost key and the one in its place that someone vouched for, and who vouches."""
        said = defaultdict[tuple[bytes, bytes], list[Vouch]](list)
        for one in self.vouches.values():
            said[one.old, one.new].append(one)
        for (lost, key), vouches in said.items():
            old, new = self.by_key(lost), self.by_key(key)
            if old is not None and new is not None and (by := self._people(vouches)):
                yield old, new, by

    def _people(self, vouches: Iterable[Vouch]) -> list[str]:
        by = {self._person(one.by): one.by for one in vouches if self._may_vouch(one)}
        return [self.name_of(key) for key in by.values()]

    def merge_vouches(self, vouches: Iterable[Vouch], now: int) -> list[Vouch]:
        """Add what is new and valid and return just that; the rest is dropped."""
        fresh = [one for one in vouches if self._take_vouch(one)]
        if fresh:
            self._decide(now)
        return fresh

    def merge_early(self, now: int) -> list[Admission]:
        """Add the dropped admissions that count since a vouch does, and return just them."""
        return self.merge(self.early.values(), [], now)[0]

    def unsay(self, vouch: Vouch, now: int) -> None:
        """Forget a vouch that could not be recorded and that nobody has received."""
        if self.vouches.pop((vouch.by, vouch.old), None) is not None:
            self._said_by[vouch.by] -= 1
        self._decide(now)

    def _take_vouch(self, one: Vouch) -> bool:
        """Add a vouch if its keys are known; a member vouches for one successor of a key."""
        if (one.by, one.old) in self.vouches or self._said_by[one.by] >= MOST_VOUCHES:
            return False
        if not {one.old, one.new, one.by} <= self._names.keys() or not one.is_signed(self.team):
            return False
        self.vouches[one.by, one.old] = one
        self._said_by[one.by] += 1
        return True

    def _person(self, key: bytes) -> bytes:
        """Return the first key of the person who has a key: of `alice+desktop`, alice's, who alone admits it."""
        mine = next((one for one in self._chain(key) if not self._is_further(one)), key)
        return [mine, *self._lost_keys(mine)][-1]

    def _is_further(self, key: bytes) -> bool:
        return any(owner_of(name) != name for name in self._names[key])

    def _may_vouch(self, one: Vouch) -> bool:
        """Return whether a vouch is by another member, or by a former one whose removal upholds it."""
        person = self._person(one.by)
        is_other = person not in (self._person(one.old), self._person(one.new))
        return is_other and {one.by, one.old, one.new} <= self._counted and self.departures.lets_in(one.by, one.new)

    def _find_heirs(self) -> dict[bytes, bytes]:
        """Return, by removed key, the one for which enough people vouched first."""
        people = defaultdict[tuple[bytes, bytes], set[bytes]](set)
        found = dict[bytes, bytes]()
        for one in self.vouches.values():
            if self.departures.of(one.old) and self._may_vouch(one):
                people[one.old, one.new].add(self._person(one.by))
                is_free = one.old not in found and one.new not in found.values()
                if is_free and len(people[one.old, one.new]) >= ENOUGH:
                    found[one.old] = one.new
        return found

    def _lost_keys(self, key: bytes) -> list[bytes]:
        """Return the keys that the holder of a key had before and lost, the latest first."""
        lost, found = {new: old for old, new in self.heirs.items()}, list[bytes]()
        while key in lost and lost[key] not in found:
            key = lost[key]
            found.append(key)
        return found

    def leave(self, identity: Identity, now: int) -> Removal:
        """Sign that this member leaves, and return that; members they admitted stay, those they removed stay out."""
        me = self.by_key(identity.key)
        if me is None:
            raise NotInTeam("this home is no longer in the team")
        said = self._removal(identity, me, False, now)
        self.merge_removals([said], now)
        return said

    def _removal(self, by: Identity, entry: Admission, restore: bool, now: int) -> Removal:
        # Members who leave with them are named too, each by a separate removal, so that their names stay taken.
        said = [one for one in self.vouches.values() if one.by == entry.key and not restore]
        vouched = {one.new for one in said if self._may_vouch(one)}
        keeps = {one.key for one in self.invited_by(entry.name)} | vouched
        removed = {one.key for one in self.removed_by(entry.name)} - {by.key}
        upholds = set() if restore else removed
        return Removal(entry.key, by.key, now, tuple(sorted(keeps)), tuple(sorted(upholds))).signed(self.team, by)

    def invited_by(self, name: str, *, further: bool = False) -> list[Admission]:
        """Return the members whom a member admitted; `further`: recursively."""
        key, found = (self.members.get(name) or self.former[name]).key, list[Admission]()
        by = {key, *self._lost_keys(key)}
        for entry in self.members.values():  # admitters come before the members they admitted
            admitter = self.origins[entry.key].admitter
            if admitter in by and admitter != entry.key:
                found.append(entry)
                by |= {entry.key} if further else set()
        return found

    def removed_by(self, name: str) -> list[Admission]:
        """Return those who were removed by a member, and by nobody else."""
        key = (self.members.get(name) or self.former[name]).key
        return [
            entry
            for entry in self.former.values()
            if entry.key != key and all(one.remover == key for one in self.departures.of(entry.key))
        ]

    def was_admitted(self, key: bytes) -> bool:
        """Return whether anyone has admitted the holder of a key, whether or not that counts."""
        return bool(self._names.get(key))

    def last_name_of(self, key: bytes) -> str | None:
        """Return the current, former or intended name of the holder of a key; None if the key is unknown."""
        entry = self.by_key(key) or self.former_by_key(key)
        said = [entry] if entry is not None else [one for one in self.admissions.values() if one.key == key]
        return said[0].name if said else None

    def name_of(self, key: bytes) -> str:
        """Return the current or former name of the holder of a key."""
        entry = self.by_key(key) or self.former_by_key(key)
        return entry.name if entry is not None else "a former member"

    def announce(self, identity: Identity, addresses: Iterable[str], now: int) -> Contact:
        """Set this member's addresses and return them, signed."""
        before = self.contacts.get(identity.key)
        time = max(now, before.time + 1 if before is not None else 0)
        plain = Contact(identity.key, tuple(addresses)[:MOST_ADDRESSES], time)
        contact = Contact(plain.key, plain.addresses, time, identity.sign(plain.statement(self.team)))
        self.contacts[identity.key] = contact
        return contact

    def restore(
        self,
        admissions: Mapping[Admission, int],
        contacts: Iterable[Contact],
        now: int,
        removals: Iterable[Removal] = (),
        vouches: Iterable[Vouch] = (),
    ) -> None:
        """Add the recorded roster, each admission with the time of its first arrival."""
        left = [(entry, seen) for entry, seen in admissions.items() if not self._take(entry, seen)]
        for removal in removals:
            self._take_removal(removal)
        if self.merge_vouches(vouches, now):
            left = [(entry, seen) for entry, seen in left if not self._take(entry, seen)]
        self.dropped += len(left)
        self._decide(now)
        for contact in contacts:
            self._take_contact(contact)

    def enter(
        self,
        admissions: Iterable[Admission],
        contacts: Iterable[Contact],
        removals: Iterable[Removal],
        key: bytes,
        now: int,
        vouches: Iterable[Vouch] = (),
    ) -> None:
        """Add what the admitter of the holder of `key` knows, in the order in which it counts there.

        Recently admitted members are as new here as for everyone else: another admission may still displace them.
        """
        entries = list(admissions)
        latest = max((entry.time for entry in entries if entry.key == key), default=0)
        first = next((at for at, entry in enumerate(entries) if latest - entry.time < SETTLED_MS), len(entries))
        # And all after the first of these: a time dated back puts nobody in front.
        seen = {entry: now if at >= first else 0 for at, entry in enumerate(entries)}
        self.restore(seen, contacts, now, removals, vouches)

    def merge(
        self, admissions: Iterable[Admission], contacts: Iterable[Contact], now: int
    ) -> tuple[list[Admission], list[Contact]]:
        """Add what is new and valid and return just that; the rest is dropped."""
        fresh: list[Admission] = []
        waiting = list(admissions)
        while waiting:
            taken = [entry for entry in waiting if self._take(entry, now)]
            fresh += taken
            # Those whose admitter has become known.
            keys = {entry.key for entry in taken}
            waiting = [entry for entry in waiting if entry.admitter in keys and entry.digest not in self.admissions]
        if fresh:
            self._decide(now)
        return fresh, [contact for contact in contacts if self._take_contact(contact)]

    def merge_removals(self, removals: Iterable[Removal], now: int) -> list[Removal]:
        """Add what is new and valid and return just that; the rest is dropped."""
        fresh = [entry for entry in removals if self._take_removal(entry)]
        if fresh:
            self._decide(now)
        return fresh

    def withdraw(self, removals: Iterable[Removal], now: int) -> None:
        """Forget removals that could not be recorded and that nobody has received."""
        for entry in removals:
            if self.removals.get((entry.key, entry.remover)) == entry:
                del self.removals[entry.key, entry.remover]
                self._said_below.subtract(dict.fromkeys(self._chain(entry.remover), entry.size))
        self._decide(now)

    def counter_removals(self, key: bytes, removals: Iterable[Removal]) -> list[Removal]:
        """Return what a former member may still say: that those who wrongly removed them are removed."""
        return [entry for entry in removals if entry.remover == key and self._may_return(key, entry.key)]

    def _may_return(self, key: bytes, remover: bytes) -> bool:
        removers = {one.remover for one in self.departures.of(key)}
        return remover in removers and self.departures.is_nearer(key, remover)

    def notice(self, key: bytes) -> tuple[list[Admission], list[Removal]]:
        """Return what tells the holder of a key why they are not in the team, without revealing anyone else.

        That is the removals by which they are out, and the admissions by which the removers were let in, whether or
        not they have a name here; or the admissions by which another member has their name.
        """
        removals = self.out_by(key)
        counting = [one.counts.key for one in self.rivals if one.admission.key == key]
        keys = self._upwards([*(one.remover for one in removals), *counting])
        return [
            entry
            for entry in self.admissions.values()
            if entry.key in keys and (entry.admitter == self._above[entry.key] or not self._is_rival(entry))
        ], removals

    def _upwards(self, keys: Iterable[bytes]) -> set[bytes]:
        """Return some keys, and those up to the founder by whom they were let in first, and by whom it counts."""
        found, waiting = set[bytes](), list(keys)
        while waiting:
            key = waiting.pop()
            if key in self._above and key not in found:
                found.add(key)
                waiting += [self._above[key], *([self.origins[key].admitter] if key in self.origins else [])]
        return found

    def out_by(self, key: bytes) -> list[Removal]:
        """Return the removals by which someone is not in the team: of them, or of those who admitted them."""
        below = key
        for above in self._chain(key):
            if self.departures.of(above) and (above == key or not self.departures.lets_in(above, below)):
                return self.departures.of(above)
            below = above
        return []

    def _is_fresh(self, entry: Admission, now: int) -> bool:
        # In both directions: a wrong clock may have been corrected since.
        return abs(now - self.seen[entry.digest]) < SETTLED_MS

    def _is_rival(self, entry: Admission) -> bool:
        return any(rival.admission == entry for rival in self.rivals)

    def forget(self, entry: Admission, now: int) -> None:
        """Forget an admission that could not be recorded and that nobody has received."""
        kept = [one for one in self.admissions.values() if one != entry]
        self.admissions, self._names, self._above, self._below = {}, defaultdict(set), {}, Counter()
        for one in kept:
            self._add(one, self.seen[one.digest])
        self._decide(now)

    def _take(self, entry: Admission, now: int) -> bool:
        if entry.digest in self.admissions or self._why_not(entry) is not None:
            return False
        self._add(entry, now)
        return True

    def _add(self, entry: Admission, seen: int) -> None:
        self.admissions[entry.digest] = entry
        self.seen[entry.digest] = seen
        self.early.pop(entry.digest, None)
        self._names[entry.key].add(entry.name)
        self._above.setdefault(entry.key, entry.admitter)
        self._below.update(self._chain(entry.admitter))

    def _take_removal(self, entry: Removal) -> bool:
        """Add a removal if both its members are known; of two by one member, the same one counts on all machines."""
        pair = (entry.key, entry.remover)
        before = self.removals.get(pair)
        if not {*pair} <= self._names.keys() or (before is not None and before.digest <= entry.digest):
            return False
        more = entry.size - (before.size if before is not None else 0)
        chain = list(self._chain(entry.remover))
        full = any(self._said_below[key] + more > REMOVALS_BYTES for key in chain if self._above[key] != key)
        if full or not entry.is_signed(self.team):
            return False
        self.removals[pair] = entry
        self._said_below.update(dict.fromkeys(chain, more))
        return True

    def _why_not(self, entry: Admission) -> str | None:
        """Return why an admission is rejected, or None: it is well-formed, and signed by someone who was admitted."""
        try:
            check_member_name(entry.name)
        except BadName as bad:
            return bad.message
        if len(entry.nonce) > LONGEST_NONCE:
            return "it is malformed"
        is_early = False
        if not self._founds(entry):
            if entry.admitter not in self._names:
                return "nobody in the team has signed for them"
            same = sum(self._is_same(entry, one) for one in self.admissions.values())
            owners = self._all_names(entry.admitter, self._names)
            is_early = owner_of(entry.name) not in {entry.name, *owners}
            if same >= (MOST_RENAMES if entry.admitter == entry.key else 1):
                return "a member can admit each other member only once, and can have only a few names"
        if len(self.admissions) >= LARGEST or any(self._is_full(key) for key in self._chain(entry.admitter)):
            return "too many members were admitted"
        if not verify(entry.admitter, entry.signature, entry.statement(self.team)):
            return "the signature is not their admitter's"
        if not certificate_is_vouched(entry.key, entry.certificate, entry.vouch):
            return "the certificate is not signed by the member's key"
        return self._postponed(entry) if is_early else None

    def _postponed(self, entry: Admission) -> str:
        """Remember an admission that may count once its admitter has their lost name; return why it does not now."""
        if len(self.early) < MOST_EARLY:
            self.early[entry.digest] = entry
        return f"only {owner_of(entry.name)} can admit them"

    def _founds(self, entry: Admission) -> bool:
        return entry.admitter == entry.key and team_id_of(entry.key, entry.nonce) == self.team

    @staticmethod
    def _is_same(entry: Admission, other: Admission) -> bool:
        return (entry.admitter, entry.key) == (other.admitter, other.key)

    def _is_full(self, key: bytes) -> bool:
        return self._below[key] >= MOST_BELOW and self._above[key] != key

    def _chain(self, key: bytes) -> Iterator[bytes]:
        """Yield a member's key, and those on the chain to the founder, who is the last."""
        seen = set[bytes]()
        while key in self._above and key not in seen:
            seen.add(key)
            yield key
            key = self._above[key]

    def _decide(self, now: int) -> None:
        """Compute the members, each name and each key once, and order the admissions as they count.

        From the founder on, each admitted member adds the members they admitted: first all who have long been known
        here, in their order, then the others, those nearer to the founder first. A removed member keeps their names and
        key, and adds the members whom the removal names. A member's admission of themselves is another name of theirs;
        the latest one counts, by their own clock. Whose key others vouched for has the names of the lost one.
        """
        by_admitter = defaultdict[bytes, list[tuple[int, Admission]]](list)
        for number, entry in enumerate(self.admissions.values()):
            by_admitter[b"" if self._founds(entry) else entry.admitter].append((number, entry))
        self.departures = self._departures(by_admitter)
        orphans = self._orphans(now)
        self.orphaned = {name: entry for name, (_, entry) in orphans.items()}
        self.heirs = {}
        named = self._count(dict(by_admitter), orphans, now)
        self._counted = set(self.origins)
        self.heirs = self._find_heirs()
        if self.heirs:
            self.heirs = self._find_heirs()  # again: a member with a lost and a new key is one person
            named = self._count(dict(by_admitter), orphans, now)
        self.admissions = {entry.digest: entry for entry in [*named.values(), *self.admissions.values()]}

    def _count(
        self,
        by_admitter: dict[bytes, list[tuple[int, Admission]]],
        orphans: Mapping[str, tuple[int, Admission]],
        now: int,
    ) -> dict[str, Admission]:
        """Compute the members; return the admissions that count, by name, in their order."""
        heap: list[tuple[bool, int, int, Admission]] = []

        def let_in(admitter: bytes, depth: int) -> None:
            for number, entry in by_admitter.pop(admitter, []):
                if admitter != entry.key and not self.departures.lets_in(admitter, entry.key):
                    continue
                fresh = self._is_fresh(entry, now)
                heapq.heappush(heap, (fresh, depth if fresh else 0, number, entry))

        named, self.rivals, self.origins = dict[str, Admission](), [], {}
        names, waiting = (
            defaultdict[bytes, set[str]](set),
            defaultdict[bytes, list[tuple[bool, int, int, Admission]]](list),
        )
        keys, depths = dict[bytes, Admission](), {b"": 0}
        let_in(b"", 0)
        while heap:
            item = heapq.heappop(heap)
            entry = item[-1]
            admitter = b"" if self._founds(entry) else entry.admitter
            own = keys.get(entry.key) if admitter == entry.key else None
            counts = named.get(entry.name) or (keys.get(entry.key) if own is None else None)
            if counts is not None:
                self.rivals.append(Rival(entry, counts))
            elif entry.name in orphans and orphans[entry.name][0] < item[2] and self._is_orphaned(entry):
                self.rivals.append(Rival(entry, self.orphaned[entry.name]))
            elif admitter == b"" or owner_of(entry.name) in {entry.name, *self._all_names(admitter, names)}:
                named[entry.name] = entry
                names[entry.key].add(entry.name)
                keys[entry.key] = entry if own is None else max(own, entry, key=lambda one: (one.time, one.digest))
                if own is None:
                    self.origins[entry.key] = entry
                    depths[entry.key] = depths[admitter] + 1
                    let_in(entry.key, depths[entry.key])
                for one in waiting.pop(entry.key, []):
                    heapq.heappush(heap, one)
            else:
                waiting[admitter].append(item)  # until the admitter has the name that it is derived from
        # Who is let in under a regained name can displace another heir, or a lost key.
        self.heirs = {old: new for old, new in self.heirs.items() if old in keys and new in keys}
        for key in self.heirs.values():
            if not self.departures.of(key):
                keys[key] = replace(keys[key], name=keys[self._lost_keys(key)[-1]].name)
        self.members = {one.name: one for key, one in keys.items() if not self.departures.of(key)}
        self._by_key = {one.key: one for one in self.members.values()}
        self.former = {one.name: one for key, one in keys.items() if self.departures.of(key)}
        self.previous = {name: one.key for name, one in named.items() if keys[one.key].name != name}
        return named

    def _all_names(self, key: bytes, names: Mapping[bytes, set[str]]) -> set[str]:
        """Return the names of the holder of a key, those that came from lost keys included."""
        return {name for one in (key, *self._lost_keys(key)) for name in names.get(one, ())}

    def _orphans(self, now: int) -> dict[str, tuple[int, Admission]]:
        """Return, by name, members who were removed together with their admitter, and when: their names stay taken.

        Only those known for long: others cannot be told from whom a former member has let in since.
        """
        found: dict[str, tuple[int, Admission]] = {}
        for number, entry in enumerate(self.admissions.values()):
            is_out = entry.admitter != entry.key and not self.departures.lets_in(entry.admitter, entry.key)
            if is_out and not self._is_fresh(entry, now):
                found.setdefault(entry.name, (number, entry))
        return found

    def _is_orphaned(self, entry: Admission) -> bool:
        """Return whether the name belonged to someone else, who was removed together with their admitter."""
        return entry.name in self.orphaned and self.orphaned[entry.name].key != entry.key

    def _departures(self, by_admitter: Mapping[bytes, list[tuple[int, Admission]]]) -> Departures:
        if not self.removals:
            return Departures()
        admitted = {key: [entry.key for _, entry in entries] for key, entries in by_admitter.items()}
        return departures(admitted[b""][0], admitted, self.removals.values())

    def _take_contact(self, contact: Contact) -> bool:
        before = self.contacts.get(contact.key)
        well_formed = len(contact.addresses) <= MOST_ADDRESSES and all(
            len(address) <= LONGEST_ADDRESS and is_address(address) for address in contact.addresses
        )
        news = well_formed and (before is None or contact.rank > before.rank) and self.by_key(contact.key) is not None
        if not news or not verify(contact.key, contact.signature, contact.statement(self.team)):
            return False
        self.contacts[contact.key] = contact
        return True

    def member(self, name: str) -> Admission:
        """Return a member by name, or raise UnknownMember."""
        found = self.members.get(name)
        if found is None:
            raise UnknownMember(f"the team has no member named {name}", name=name)
        return found

    def by_key(self, key: bytes) -> Admission | None:
        """Return the member who signs with `key`, or None."""
        return self._by_key.get(key)

    def former_by_key(self, key: bytes) -> Admission | None:
        """Return the removed member who signs with `key`, or None."""
        return next((member for member in self.former.values() if member.key == key), None)

    def by_certificate(self, certificate: bytes) -> Admission | None:
        """Return the member with exactly this certificate (DER), or None."""
        return next((member for member in self.members.values() if member.certificate == certificate), None)

    def turned_away(self) -> list[Admission]:
        """Return the admissions of all who are not in the team and can be told why.

        They, or those who admitted them, were removed, or another member has their name.
        """
        here = {entry.key for entry in self.members.values()}
        away = [entry for entry in self.admissions.values() if entry.key not in here]
        rivals = {one.admission.digest for one in self.rivals}
        return [entry for entry in away if entry.digest in rivals or self.out_by(entry.key)]

    def caller(self, certificate: bytes) -> Admission | None:
        """Return the admission of the member, or the turned-away caller, with this certificate (DER)."""
        away = (entry for entry in self.turned_away() if entry.certificate == certificate)
        return self.by_certificate(certificate) or next(away, None)

    @property
    def names(self) -> set[str]:
        """The taken names: of current and former members, earlier ones included."""
        return self.members.keys() | self.former.keys() | self.previous.keys() | self.orphaned.keys()

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the last known addresses of a member."""
        contact = self.contacts.get(self.member(name).key)
        return contact.addresses if contact is not None else ()
