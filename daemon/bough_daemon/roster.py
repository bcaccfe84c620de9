"""The team: who is in it, who let them in, and where they can be reached.

A roster is a set of signed admissions that everyone may pass on. Whoever has the team's id can verify all of it: the id
is a hash of the founder's key, and every other member was admitted by one who was a member before. Everyone in the team
may admit. Where two admissions claim one name, or one key, the earlier counts on every machine alike; but a member who
has been known here for a day is never displaced by an admission that claims to be older.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bough_daemon.addresses import is_address
from bough_daemon.errors import BadName, NameTaken, NotPossibleNow, UnknownMember
from bough_daemon.keys import Identity, certificate_is_vouched, statement, verify
from bough_daemon.names import check_member_name

SETTLED_MS = 24 * 3600 * 1000
LARGEST = 2000  # admissions of one team
MOST_ADDRESSES = 16
LONGEST_ADDRESS = 255


@dataclass(frozen=True)
class Admission:
    """One member's key and certificate under a name, signed by the member who admitted them.

    `admitter`: the signing key of that member; the founder's own, with a `nonce`, for the founder. `time`: milliseconds
    since the epoch, by the admitter's clock, and later than the admitter's own.
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
    def digest(self) -> str:
        """What tells this admission from all others."""
        return hashlib.sha256(self.statement("")).hexdigest()


@dataclass(frozen=True)
class Contact:
    """Where a member listens, `host:port` each, signed by that member; a later `time` (milliseconds) replaces it."""

    key: bytes
    addresses: tuple[str, ...]
    time: int
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the member signs."""
        return statement("contact", team, self.key, self.time, *self.addresses)


def team_id_of(founder: bytes, nonce: bytes) -> str:
    """Return the id of the team that the holder of this key founded: 32 hexadecimal digits."""
    return hashlib.sha256(statement("team", founder, nonce)).hexdigest()[:32]


@dataclass
class Roster:
    """The members of one team, as far as this machine knows. Pure: time is passed in, in milliseconds."""

    team: str
    admissions: dict[str, Admission] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    contacts: dict[bytes, Contact] = field(default_factory=dict)
    members: dict[str, Admission] = field(default_factory=dict)

    @classmethod
    def found(cls, identity: Identity, name: str, now: int) -> Roster:
        """Return the roster of a new team that has one member."""
        nonce = os.urandom(16)
        roster = cls(team_id_of(identity.key, nonce))
        roster._admit(identity, name, identity.key, identity.certificate, identity.vouch, now, nonce)
        return roster

    def admit(self, identity: Identity, name: str, key: bytes, certificate: bytes, vouch: bytes, now: int) -> Admission:
        """Let someone in under a free name and return the admission; raise NameTaken or NotPossibleNow.

        The holder of a key who is in the team under this name already is let in again, which changes nothing.
        """
        present = self.by_key(key)
        if present is not None and present.name == name and present.certificate == certificate:
            return present
        if name in self.members:
            raise NameTaken(f"the team has a member named {name} already", name=name)
        if present is not None:
            raise NotPossibleNow(f"this home is in the team already, as {present.name}", name=present.name)
        mine = self.by_key(identity.key)
        if mine is None:
            raise NotPossibleNow("this home is no longer in the team")
        return self._admit(identity, name, key, certificate, vouch, max(now, mine.time + 1), b"")

    def _admit(
        self, identity: Identity, name: str, key: bytes, certificate: bytes, vouch: bytes, time: int, nonce: bytes
    ) -> Admission:
        plain = Admission(check_member_name(name), key, certificate, vouch, identity.key, time, nonce)
        signature = identity.sign(plain.statement(self.team))
        admission = Admission(name, key, certificate, vouch, identity.key, time, nonce, signature)
        if not self.merge([admission], [], time)[0]:
            raise NotPossibleNow(f"{name} cannot be let in: the certificate is not vouched for", name=name)
        return admission

    def announce(self, identity: Identity, addresses: Iterable[str], now: int) -> Contact:
        """Say where this member listens and return it, signed."""
        before = self.contacts.get(identity.key)
        time = max(now, before.time + 1 if before is not None else 0)
        plain = Contact(identity.key, tuple(addresses)[:MOST_ADDRESSES], time)
        contact = Contact(plain.key, plain.addresses, time, identity.sign(plain.statement(self.team)))
        self.contacts[identity.key] = contact
        return contact

    def restore(self, admissions: Mapping[Admission, int], contacts: Iterable[Contact], now: int) -> None:
        """Take back what was written down of this roster, each admission with the time at which it was first seen."""
        for entry in sorted(admissions, key=_age):
            self._take(entry, admissions[entry])
        self._decide(now)
        for contact in contacts:
            self._take_contact(contact)

    def merge(
        self, admissions: Iterable[Admission], contacts: Iterable[Contact], now: int
    ) -> tuple[list[Admission], list[Contact]]:
        """Take in what is new and valid and return just that; the rest is dropped."""
        fresh = [entry for entry in sorted(admissions, key=_age) if self._take(entry, now)]
        if fresh:
            self._decide(now)
        return fresh, [contact for contact in contacts if self._take_contact(contact)]

    def forget(self, entry: Admission, now: int) -> None:
        """Take back an admission that could not be written down and that nobody has heard of."""
        del self.admissions[entry.digest], self.seen[entry.digest]
        self._decide(now)

    def _take(self, entry: Admission, now: int) -> bool:
        digest = entry.digest
        if digest in self.admissions or len(self.admissions) >= LARGEST or not self._is_valid(entry):
            return False
        self.admissions[digest] = entry
        self.seen[digest] = now
        return True

    def _is_valid(self, entry: Admission) -> bool:
        """Return whether the admission is well-formed, and signed by someone who was admitted before."""
        try:
            check_member_name(entry.name)
        except BadName:
            return False
        founds = entry.admitter == entry.key and team_id_of(entry.key, entry.nonce) == self.team
        admitted_before = any(
            known.key == entry.admitter and known.time < entry.time for known in self.admissions.values()
        )
        return (
            (founds or admitted_before)
            and verify(entry.admitter, entry.signature, entry.statement(self.team))
            and certificate_is_vouched(entry.key, entry.certificate, entry.vouch)
        )

    def _decide(self, now: int) -> None:
        """Work out the members: in the order of their admissions, each name and each key once."""

        def order(entry: Admission) -> tuple[bool, int, str]:
            return (now - self.seen[entry.digest] < SETTLED_MS, *_age(entry))

        self.members, keys = {}, set[bytes]()
        for entry in sorted(self.admissions.values(), key=order):
            let_in = entry.admitter in keys or (entry.admitter == entry.key and bool(entry.nonce))
            if let_in and entry.name not in self.members and entry.key not in keys:
                self.members[entry.name] = entry
                keys.add(entry.key)

    def _take_contact(self, contact: Contact) -> bool:
        before = self.contacts.get(contact.key)
        well_formed = len(contact.addresses) <= MOST_ADDRESSES and all(
            len(address) <= LONGEST_ADDRESS and is_address(address) for address in contact.addresses
        )
        news = well_formed and (before is None or contact.time > before.time) and self.by_key(contact.key) is not None
        if not news or not verify(contact.key, contact.signature, contact.statement(self.team)):
            return False
        self.contacts[contact.key] = contact
        return True

    def member(self, name: str) -> Admission:
        """Return a member, or raise UnknownMember."""
        found = self.members.get(name)
        if found is None:
            raise UnknownMember(f"the team has no member named {name}", name=name)
        return found

    def by_key(self, key: bytes) -> Admission | None:
        """Return the member who signs with `key`, or None."""
        return next((member for member in self.members.values() if member.key == key), None)

    def by_certificate(self, certificate: bytes) -> Admission | None:
        """Return the member whose certificate (DER) is exactly this one, or None."""
        return next((member for member in self.members.values() if member.certificate == certificate), None)

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return where a member was last said to listen."""
        contact = self.contacts.get(self.member(name).key)
        return contact.addresses if contact is not None else ()


def _age(entry: Admission) -> tuple[int, str]:
    return entry.time, entry.digest
