"""Tickets: one string with which someone joins a team. `invites` has what members know about issued tickets.

A ticket contains addresses to call, fingerprints of who answers there, and a secret. The secret is never sent: it is
the seed of a key with which the holder signs the request to join. So nobody who answers can use the ticket themselves.
"""

from __future__ import annotations

import hashlib
import os
import string
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bough_daemon.errors import BadTicket
from bough_daemon.team.identity import statement

PREFIX = "bough"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
VERSION = 2
CHECK_BYTES = 4
TEAM_BYTES, FINGERPRINT_BYTES, SECRET_BYTES, EXPIRES_BYTES = 16, 32, 16, 5
HEAD_BYTES = 1 + TEAM_BYTES + FINGERPRINT_BYTES + SECRET_BYTES + EXPIRES_BYTES
LONGEST = 4096
DAMAGED = "the ticket is truncated or altered; copy all of it"


@dataclass(frozen=True)
class TicketAnswerer:
    """A member who admits the holder of a ticket. `fingerprint`: SHA-256 of the certificate."""

    fingerprint: bytes
    addresses: tuple[str, ...]

    def packed(self) -> bytes:
        """Return it as encoded in a ticket, with as many addresses as fit into 255 bytes."""
        text = b""
        for address in self.addresses:
            longer = text + (b"," if text else b"") + address.encode()
            text = longer if len(longer) < 256 else text
        return self.fingerprint + bytes([len(text)]) + text


@dataclass(frozen=True)
class Ticket:
    """The data for joining. `fingerprint`: SHA-256 of the inviter's certificate. `addresses`: `host:port` each.

    `expires`: seconds since the epoch, by the inviter's clock. `deputies`: members who may also admit the holder.
    """

    team: str
    fingerprint: bytes
    secret: bytes
    addresses: tuple[str, ...]
    expires: int = 0
    deputies: tuple[TicketAnswerer, ...] = ()

    def __str__(self) -> str:
        """Return the ticket as letters and digits alone, so that a double click copies it."""
        head = bytes([VERSION]) + bytes.fromhex(self.team) + self.fingerprint + self.secret
        deputies = bytes([len(self.deputies)]) + b"".join(one.packed() for one in self.deputies)
        body = head + self.expires.to_bytes(EXPIRES_BYTES, "big") + deputies + ",".join(self.addresses).encode()
        number = int.from_bytes(body + _check(body), "big")
        digits = ""
        while number:
            number, digit = divmod(number, len(DIGITS))
            digits = DIGITS[digit] + digits
        return PREFIX + digits

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Parse a ticket, or raise BadTicket with the reason."""
        text = text.strip()
        digits = text.removeprefix(PREFIX)
        if digits == text or len(text) > LONGEST or not all(digit in DIGITS for digit in digits):
            raise BadTicket(f"this is not a ticket; a ticket is one word that begins with `{PREFIX}`")
        number = 0
        for digit in digits:
            number = number * len(DIGITS) + DIGITS.index(digit)
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
        if len(body) < 1 + TEAM_BYTES or _check(body) != check:
            raise BadTicket(DAMAGED)
        if body[0] != VERSION:
            maker = "an older Bough; update that one" if body[0] < VERSION else "a newer Bough; update this one"
            raise BadTicket(f"the ticket was made by {maker}")
        if len(body) <= HEAD_BYTES + 1:
            raise BadTicket(DAMAGED)
        return cls._of(body)

    @classmethod
    def _of(cls, body: bytes) -> Ticket:
        at, parts = 1, list[bytes]()
        for size in (TEAM_BYTES, FINGERPRINT_BYTES, SECRET_BYTES, EXPIRES_BYTES):
            parts.append(body[at : at + size])
            at += size
        team, fingerprint, secret, expires = parts
        deputies, at = list[TicketAnswerer](), at + 1
        for _ in range(body[at - 1]):
            print_end = at + FINGERPRINT_BYTES
            end = print_end + 1 + (body[print_end] if print_end < len(body) else 0)
            deputies.append(TicketAnswerer(body[at:print_end], _addresses(body[print_end + 1 : end])))
            at = end
        addresses, until = _addresses(body[at:]), int.from_bytes(expires, "big")
        if not addresses:
            raise BadTicket(DAMAGED)
        return cls(team.hex(), fingerprint, secret, addresses, until, tuple(deputies))

    @property
    def key(self) -> bytes:
        """The public key that identifies the ticket to members."""
        return key_of(self.secret)

    def proof(self, name: str, key: bytes, certificate: bytes) -> bytes:
        """Return the ticket holder's signature for the joining member."""
        return _signing_key(self.secret).sign(proof_statement(self.team, name, key, certificate))


def proof_statement(team: str, name: str, key: bytes, certificate: bytes) -> bytes:
    """Return what the holder of a ticket signs to come in."""
    return statement("join", team, name, key, certificate)


def claim_statement(team: str, maker: bytes) -> bytes:
    """Return what a ticket's key signs for the member who created it."""
    return statement("ticket", team, maker)


def ticket_claim(secret: bytes, team: str, maker: bytes) -> bytes:
    """Return a ticket's signature for the member who created it."""
    return _signing_key(secret).sign(claim_statement(team, maker))


def _addresses(text: bytes) -> tuple[str, ...]:
    try:
        return tuple(filter(None, text.decode().split(",")))
    except UnicodeDecodeError:
        raise BadTicket(DAMAGED) from None


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"bough ticket\0" + body).digest()[:CHECK_BYTES]


def new_secret() -> bytes:
    """Return a random secret."""
    return os.urandom(SECRET_BYTES)


def key_of(secret: bytes) -> bytes:
    """Return the public key of a secret, which is all that members keep of it. The secret has 128 random bits."""
    return _signing_key(secret).public_key().public_bytes_raw()


def _signing_key(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bough secret\0" + secret).digest())
