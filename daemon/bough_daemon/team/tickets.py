"""Tickets: one string that lets one person into a team, once, within a day.

A ticket says where to knock, whom to expect there, and a secret. The inviting member keeps a hash of the secret alone.
"""

from __future__ import annotations

import hashlib
import os
import string
from dataclasses import dataclass, replace

from bough_daemon.errors import BadTicket

VALID_MS = 24 * 3600 * 1000
PREFIX = "bough"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
VERSION = 1
CHECK_BYTES = 4
TEAM_BYTES, FINGERPRINT_BYTES, SECRET_BYTES = 16, 32, 16
HEAD_BYTES = 1 + TEAM_BYTES + FINGERPRINT_BYTES + SECRET_BYTES
LONGEST = 4096


@dataclass(frozen=True)
class Ticket:
    """The data for joining. `fingerprint`: SHA-256 of the inviter's certificate. `addresses`: `host:port` each."""

    team: str
    fingerprint: bytes
    secret: bytes
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        """Return the ticket as letters and digits alone, so that a double click copies it."""
        head = bytes([VERSION]) + bytes.fromhex(self.team) + self.fingerprint + self.secret
        body = head + ",".join(self.addresses).encode()
        number = int.from_bytes(body + _check(body), "big")
        digits = ""
        while number:
            number, digit = divmod(number, len(DIGITS))
            digits = DIGITS[digit] + digits
        return PREFIX + digits

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Read a ticket, or raise BadTicket that says what is wrong with it."""
        text = text.strip()
        digits = text.removeprefix(PREFIX)
        if digits == text or len(text) > LONGEST or not all(digit in DIGITS for digit in digits):
            raise BadTicket(f"this is not a ticket; a ticket is one word that begins with `{PREFIX}`")
        number = 0
        for digit in digits:
            number = number * len(DIGITS) + DIGITS.index(digit)
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
        if len(body) <= HEAD_BYTES or _check(body) != check:
            raise BadTicket("the ticket is truncated or altered; copy all of it")
        if body[0] != VERSION:
            raise BadTicket("the ticket was made by a newer Bough; update this one")
        team, rest = body[1 : 1 + TEAM_BYTES], body[1 + TEAM_BYTES :]
        fingerprint, secret = rest[:FINGERPRINT_BYTES], rest[FINGERPRINT_BYTES : FINGERPRINT_BYTES + SECRET_BYTES]
        addresses = body[HEAD_BYTES:].decode(errors="replace").split(",")
        return cls(team.hex(), fingerprint, secret, tuple(addresses))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"bough ticket\0" + body).digest()[:CHECK_BYTES]


@dataclass(frozen=True)
class Invite:
    """One ticket as its maker remembers it. `expires`: milliseconds since the epoch. `spent_by`: a signing key."""

    secret_hash: bytes
    expires: int
    spent_by: bytes | None = None


def new_secret() -> bytes:
    """Return a secret that nobody can guess."""
    return os.urandom(SECRET_BYTES)


def hash_of(secret: bytes) -> bytes:
    """Return what is kept of a secret; it has 128 random bits, so a plain hash hides it."""
    return hashlib.sha256(b"bough secret\0" + secret).digest()


@dataclass(frozen=True)
class Invites:
    """The tickets that this member has made. Immutable, so that spending one is a single replacement."""

    known: tuple[Invite, ...] = ()

    def with_new(self, secret: bytes, now: int) -> Invites:
        """Return the same and a ticket for `secret`, without those that expired."""
        return Invites((*self.valid(now), Invite(hash_of(secret), now + VALID_MS)))

    def without(self, secret: bytes) -> Invites:
        """Return the same without the ticket for `secret`."""
        return Invites(tuple(invite for invite in self.known if invite.secret_hash != hash_of(secret)))

    def valid(self, now: int) -> list[Invite]:
        """Return the tickets that have not expired; who has spent one may still ask for the answer again."""
        return [invite for invite in self.known if invite.expires > now]

    def spent(self, secret: bytes, key: bytes, now: int) -> Invites:
        """Return the same with this ticket spent by the holder of `key`, or raise BadTicket.

        Anyone who spent it may present it again, so that an answer lost on the way does no harm.
        """
        wanted = hash_of(secret)
        found = next((invite for invite in self.known if invite.secret_hash == wanted), None)
        if found is None:
            raise BadTicket("this ticket was not issued by that member, or has expired")
        if found.spent_by not in (None, key):
            raise BadTicket("the ticket was already used; ask for a new one")
        if found.expires <= now:
            raise BadTicket("the ticket has expired; ask for a new one")
        spent = replace(found, spent_by=key)
        return Invites(tuple(spent if invite is found else invite for invite in self.known))
